"""The drill's own servers: the shipped program with settings that make a cause possible.

Each keeps its books in the drill's folder and calls its model by a name of its own, so that a drill
moves no spend of the real ones and burns none of their error budgets.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stack.drills.scene import Scene
from stack.say import step

SMALL = "small"
"""Two requests at a time, a tenant with a budget of 10 microdollars, prices of its own."""
HASTY = "hasty"
"""A deadline of two seconds, and no price for the model."""
KEY, SPENDER = "drill", "drill-spender"
"""The two tenants of the small server, each its own key; the second has the budget."""
DEADLINE_SECONDS = 2
MODELS = {SMALL: "drill-small", HASTY: "drill-hasty"}
"""What each calls its model."""


def prices(folder: Path) -> Path:
    """The price list of the small server, which it reads again while it runs."""
    return folder / "prices.yaml"


_PRICES = """currency: USD
prices:
  - model: {model}
    from: 2026-01-01
    source: a drill
    input: 2.00
    cached_input: 0.05
    output: 0.40
devices:
  - {{device: "*", from: 2026-01-01, source: a drill, per_hour: 0.10}}
"""
PRICE = "    input: 2.00"
"""What a drill spoils in the price list."""


def price_list(model: str) -> str:
    """A price list with one model, whose inputs cost 20 times what the embedded one's do."""
    return _PRICES.format(model=json.dumps(model))


def small(scene: Scene, folder: Path) -> Mapping[str, str]:
    """Write the files of the small server; returns its variables."""
    digests = {hashlib.sha256(name.encode()).hexdigest(): name for name in (KEY, SPENDER)}
    budgets = {"tenants": {SPENDER: {"day": 0.00001}}}
    (folder / "budgets.yaml").write_text(json.dumps(budgets), encoding="utf-8")
    (folder / "keys.yaml").write_text(json.dumps({"tenants": digests}), encoding="utf-8")
    prices(folder).write_text(price_list(MODELS[SMALL]), encoding="utf-8")
    return {
        "LLM_SERVER_PRICES": str(prices(folder)),
        "LLM_SERVER_BUDGETS": str(folder / "budgets.yaml"),
        "LLM_SERVER_KEYS": str(folder / "keys.yaml"),
        "VLLM_ARGS": f"{scene.hands.variables()['VLLM_ARGS']} --max-num-seqs 2",
    }


def hasty(_: Scene, folder: Path) -> Mapping[str, str]:
    """Write the files of the hasty server; returns its variables."""
    path = folder / "no-price.yaml"
    path.write_text(price_list("a-model-that-nobody-serves"), encoding="utf-8")
    return {"LLM_SERVER_PRICES": str(path), "LLM_SERVER_DEADLINE_SECONDS": str(DEADLINE_SECONDS)}


_SETTINGS: Mapping[str, Callable[[Scene, Path], Mapping[str, str]]] = {
    SMALL: small,
    HASTY: hasty,
}


@contextmanager
def serving(scene: Scene, name: str) -> Iterator[None]:
    """The server of this name in the place of the shipped one; the shipped one for no name."""
    if not name:
        yield
        return
    folder = scene.rig.folder / "server"
    folder.mkdir(parents=True, exist_ok=True)
    changed = {
        **_SETTINGS[name](scene, folder),
        "LLM_SERVER_STATE_DIR": str(folder / "state"),
        "SERVED_MODEL_NAME": MODELS[name],
    }
    served = scene.hands.standing_in("server", changed)
    with step(f"starting the drill's server `{name}`"):
        served.__enter__()
    scene.key, scene.served = KEY if name == SMALL else "", MODELS[name]
    try:
        yield
    finally:
        scene.key = scene.served = ""
        with step("starting the shipped server"):
            served.__exit__(None, None, None)
