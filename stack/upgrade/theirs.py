"""What a version of vLLM offers by name: metrics, routes, flags and environment variables."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from stack.upgrade import symbols
from stack.upgrade.symbols import Found
from stack.upgrade.trees import Module, Place, Tree

_METRIC = re.compile(r"vllm:[a-z]\w*")
_METHODS = {"get", "post", "put", "delete", "patch", "websocket"}
_SERVERS = "vllm/entrypoints/"
_OTHER_SERVERS = ("/dp_supervisor.py", "/cli/preload.py")
"""Servers of their own, whose /health is not the one that we pass on."""
_FLAG_MODULES = ("vllm.engine.arg_utils", "vllm.utils.argparse_utils")


@dataclass(frozen=True, slots=True)
class Offer:
    """A thing with a name, where it is made, and what else of it must stay as it is."""

    name: str
    place: Place
    shape: str = ""


def family(name: str) -> str:
    """A metric's name as prometheus_client is given it, or as it is exposed."""
    return name.removesuffix("_total")


def text_of(node: ast.AST | None) -> str:
    """The text that a node of Python's grammar is, empty for any other."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else ""


def metrics(tree: Tree) -> dict[str, Offer]:
    """Every metric's family whose name stands in the code as a whole text."""
    found: dict[str, Offer] = {}
    for module in tree.having('"vllm:', "'vllm:"):
        shapes = _shapes(module)
        for node in ast.walk(module.tree):
            if _METRIC.fullmatch(text_of(node)):
                name = family(text_of(node))
                offer = Offer(name, module.place(node), shapes.get(id(node), ""))
                # The place that makes it, not one that reads it.
                if name not in found or (offer.shape and not found[name].shape):
                    found[name] = offer
    return found


def _shapes(module: Module) -> dict[int, str]:
    """Kind and labels of the metrics that the calls in a module make, by the name's node."""
    found: dict[int, str] = {}
    for call in ast.walk(module.tree):
        if isinstance(call, ast.Call):
            called = ast.unparse(call.func).lower()
            kinds = [kind for kind in ("gauge", "counter", "histogram") if kind in called]
            labels = [ast.unparse(k.value) for k in call.keywords if k.arg == "labelnames"]
            for node in (*call.args[:1], *(k.value for k in call.keywords if k.arg == "name")):
                found[id(node)] = " ".join([*kinds, *labels])
    return found


def routes(tree: Tree) -> dict[str, Offer]:
    """Every route that the API server may open, as `POST /v1/completions`."""
    found: dict[str, Offer] = {}
    for module in tree.having("router.", "app.", under=_SERVERS):
        if not module.path.endswith(_OTHER_SERVERS):
            for call in ast.walk(module.tree):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    for name in _routes_of(call, call.func.attr):
                        found.setdefault(name, Offer(name, module.place(call.args[0])))
    return found


def _routes_of(call: ast.Call, called: str) -> Iterator[str]:
    path = text_of(call.args[0]) if call.args else ""
    if path.startswith("/") and called in _METHODS:
        yield f"{called.upper()} {path}"
    if path.startswith("/") and called in ("add_api_route", "api_route"):
        for keyword in call.keywords:
            if keyword.arg == "methods":
                methods = filter(None, map(text_of, ast.walk(keyword.value)))
                yield from (f"{method} {path}" for method in methods)


def flags(tree: Tree) -> dict[str, Offer]:
    """The flags of `vllm serve` by their names in the parsed arguments."""
    found: dict[str, Offer] = {}
    for module in _flag_modules(tree):
        for node in ast.walk(module.tree):
            for each in _added(node):
                name = text_of(each).lstrip("-").replace("-", "_")
                found.setdefault(name, Offer(name, module.place(each)))
            # Each field of the front end's is a flag; the engine's are added one by one.
            if isinstance(node, ast.ClassDef) and node.name.endswith("FrontendArgs"):
                for name, member in symbols.members(tree, Found(module, node)).items():
                    if isinstance(member.node, ast.AnnAssign | ast.Assign):
                        found.setdefault(name, Offer(name, member.place))
    return found


def _flag_modules(tree: Tree) -> list[Module]:
    # The front end's moves from version to version: it is where the class is.
    front = tree.having("class BaseFrontendArgs", "class FrontendArgs", under=_SERVERS)
    return [*front, *(found for name in _FLAG_MODULES if (found := tree.module(name)))]


def _added(node: ast.AST) -> list[ast.expr]:
    """What a call of add_argument adds: the names, short and long."""
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(node, ast.Call) and getattr(called, "attr", "") == "add_argument":
        return [each for each in node.args if text_of(each)]
    return []


def variables(tree: Tree) -> dict[str, Offer]:
    """The environment variables that vLLM reads through its list of them."""
    module = tree.module("vllm.envs")
    if module is None:
        return {}
    lists = (node for node in ast.walk(module.tree) if isinstance(node, ast.Dict))
    keys = [key for each in lists for key in each.keys if key and text_of(key)]
    return {text_of(key): Offer(text_of(key), module.place(key)) for key in reversed(keys)}
