"""The seams that stack/upgrade declares: each holds in the installed vLLM, and none by chance."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_type_hints

import pytest

from server.catalogue.vllm import VLLM
from server.engine_core.request_table import EngineRequest
from server.flags import REFUSED
from server.gateway import routes
from server.requests import engine_call, sampling
from stack.upgrade import held, ours, seams_engine, symbols, theirs
from stack.upgrade.seam import Seam
from stack.upgrade.seams import SEAMS
from stack.upgrade.trees import Tree
from tests.unit.vllm_sources import FOLDER, INSTALLED

REPO = Path(__file__).parents[3]
BEYOND_READING = {
    "vllm.platforms:current_platform.device_type",
    "vllm.platforms:current_platform.get_device_name",
}
"""Of an object that is made when it is first asked for: its class is among the seams."""


class Edited:
    """The installed sources, some of them with another text."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def names(self) -> list[str]:
        return FOLDER.names()

    def read(self, name: str) -> str:
        return self._texts.get(name) or FOLDER.read(name)


def edited(texts: dict[str, str]) -> Tree:
    return Tree(Edited(texts), INSTALLED)


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: f"{seam.where}-{seam.needle}")
def test_the_installed_vllm_is_what_we_hold_on_to(seam: Seam) -> None:
    assert [gap.says for gap in held.gaps(INSTALLED, seam)] == []


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: f"{seam.where}-{seam.needle}")
def test_a_seam_says_where_we_use_it(seam: Seam) -> None:
    nowhere = ours.line(REPO, seam.file, "no such text")
    assert ours.line(REPO, seam.file, seam.needle) != nowhere, f"{seam.needle} in {seam.file}?"


def test_what_we_import_of_vllm_can_be_found_without_importing() -> None:
    used = {
        name: places
        for name, places in ours.imports(REPO).items()
        if places[0].path.startswith("server/")
    }
    lost = {name for name in used if symbols.find(INSTALLED, *name.partition(":")[::2]) is None}
    assert len(used) > 40
    assert lost == BEYOND_READING


def test_what_we_use_by_name_is_found_by_name() -> None:
    known = theirs.metrics(INSTALLED)
    assert {theirs.family(metric.name) for metric in VLLM} <= ours.metrics(REPO, known).keys()
    assert {theirs.family(metric.name) for metric in VLLM} <= known.keys()
    called = {f"{method} {path}" for method, path in {*routes.PROBES, *routes.CALLS}}
    assert called <= ours.routes(REPO).keys()
    assert called - theirs.routes(INSTALLED).keys() == {"GET /ready"}, "ours, or gone"
    flags = theirs.flags(INSTALLED)
    assert {*REFUSED, "middleware", "model", "allowed_origins"} <= flags.keys()
    assert {*REFUSED, "middleware", "model", "allowed_origins"} <= ours.flags(REPO).keys()
    assert "VLLM_USE_RUST_FRONTEND" in theirs.variables(INSTALLED).keys() & ours.variables(REPO)


def test_every_field_that_our_types_name_is_in_the_list() -> None:
    has = {seam.where: set(seam.has) for seam in seams_engine.ENGINE if seam.has}
    state = has["vllm.v1.engine.output_processor:RequestState"]
    assert state == set(get_type_hints(engine_call.EngineState)) | {"queue"}
    times = has["vllm.v1.metrics.stats:RequestStateStats"]
    assert times == set(get_type_hints(engine_call.EngineTimes))
    assert has["vllm.v1.request:Request"] == set(get_type_hints(EngineRequest))
    assert has["vllm.sampling_params:SamplingParams"] == set(sampling.NAMES)


def texts_with_renamed(names: Iterable[tuple[Seam, str]]) -> dict[str, str]:
    """The files that define the names, with another name in each one's stead."""
    texts: dict[str, str] = {}
    for seam, name in names:
        found = symbols.find(INSTALLED, seam.module, seam.name)
        assert found is not None
        found = symbols.members(INSTALLED, found)[name] if name in seam.has else found
        text = texts.get(found.module.path, found.module.text)
        texts[found.module.path] = renamed(text, name)
    return texts


def renamed(text: str, name: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", f"{name}_anew", text)


def test_each_definition_that_takes_another_name_is_missed() -> None:
    # Classes first, then what is in them: a member of a class that is gone would be gone with it.
    for depth in (0, 1):
        seams = [seam for seam in SEAMS if seam.name and seam.name.count(".") == depth]
        gone = {seam for seam in seams if not seam.name.endswith(".__init__")}
        tree = edited(texts_with_renamed((seam, seam.name.rpartition(".")[2]) for seam in gone))
        assert len(gone) > 20
        assert [seam.where for seam in gone if not held.gaps(tree, seam)] == []


def test_each_member_that_takes_another_name_is_missed() -> None:
    members = [(seam, name) for seam in SEAMS for name in seam.has]
    tree = edited(texts_with_renamed(members))
    assert len(members) > 70
    said = {(gap.name, seam) for seam in SEAMS for gap in held.gaps(tree, seam)}
    assert [(seam.where, name) for seam, name in members if (name, seam) not in said] == []


@pytest.mark.parametrize(
    ("source", "seam", "says"),
    [
        ("def f(): g(\n1)", Seam("vllm.m:f", "", says=("g(1)", "g(2)")), "no longer `g(2)`"),
        ("def f(a, c): ...", Seam("vllm.m:f", "", begins=("a", "b")), "begins with (a, c)"),
        ("def f(a, b, c): ...", Seam("vllm.m:f", "", given=("a", "b")), "needs a `c`"),
        ("def f(a): ...", Seam("vllm.m:f", "", takes=("b",)), "takes no `b`"),
        ("def f(a, b=1): ...", Seam("vllm.m:f", "", only=("a",)), "takes (a, b)"),
        ("async def f(): ...", Seam("vllm.m:f", "", kind="plain"), "is async, no longer plain"),
        ("f = 1", Seam("vllm.m:f", "", kind="plain"), "is no function"),
        ("f = 1", Seam("vllm.m:f", "", has=("a",)), "is no class"),
        ("def f(): h()", Seam("vllm.m:f", "", silent=("h()",)), "says `h()` now"),
        ("class C:\n    a = 1", Seam("vllm.m:C", "", lacks=("a",)), "a `a` of its own now"),
        (
            "class C:\n    @abstractmethod\n    def g(self): ...",
            Seam("vllm.m:C", "", abstract=("f",)),
            "wants a `g`",
        ),
        ("class B:\n    @abstractmethod\n    def g(self): ...\nclass C(B): ...",
         Seam("vllm.m:C.g", ""), "vllm.m:C.g is gone"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(source: str, seam: Seam, says: str) -> None:
    class One:
        def names(self) -> list[str]:
            return ["vllm/__init__.py", "vllm/m.py"]

        def read(self, name: str) -> str:
            return source if name == "vllm/m.py" else ""

    ast.parse(source)
    assert [says in gap.says for gap in held.gaps(Tree(One()), seam)] == [True]
