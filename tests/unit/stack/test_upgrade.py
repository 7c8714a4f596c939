"""`make upgrade-check` names each of ten renames, and says so in a way that leads to both sides."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack.commands import upgrade
from stack.errors import Fault
from stack.settings import Settings
from stack.upgrade.compare import Break, Result, compare
from stack.upgrade.seam import Seam
from stack.upgrade.seams import SEAMS
from stack.upgrade.theirs import Offer
from stack.upgrade.trees import Folder, Place, Tree, Wheel
from tests.unit.vllm_sources import FOLDER, INSTALLED

REPO = Path(__file__).parents[3]


@dataclass(frozen=True)
class Rename:
    """What takes another name in which file of a copy, and who of ours uses the old one."""

    path: str
    old: str
    new: str
    says: str
    ours: str
    line: str = ""

    @property
    def defines(self) -> str:
        """What stands in the line that their side is told by."""
        return self.line or self.old


RENAMES = (
    Rename("v1/engine/async_llm.py", "add_request", "submit_request",
           "AsyncLLM.add_request is gone", "server/engine_client/observed_engine.py"),
    Rename("v1/core/sched/scheduler.py", "throttle_prefills", "hold_prefills",
           "takes (self, hold_prefills), no longer (self, throttle_prefills)",
           "server/engine_core/metered_scheduler.py", "def schedule("),
    Rename("v1/engine/output_processor.py", "num_cached_tokens", "cached_tokens",
           "RequestState has no `num_cached_tokens`", "server/requests/engine_call.py"),
    Rename("v1/metrics/loggers.py", "vllm:kv_cache_usage_perc", "vllm:kv_cache_usage_ratio",
           "metric vllm:kv_cache_usage_perc is gone", "server/catalogue/vllm.py"),
    Rename("entrypoints/pooling/embed/api_router.py", "/v1/embeddings", "/v1/embedding",
           "route POST /v1/embeddings is gone", "server/gateway/routes.py"),
    Rename("entrypoints/launchers/cli_args.py", "lora_modules", "lora_adapters",
           "flag lora_modules is gone", "server/flags.py"),
    Rename("envs.py", "VLLM_USE_RUST_FRONTEND", "VLLM_RUST_FRONTEND",
           "variable VLLM_USE_RUST_FRONTEND is gone", "server/flags.py"),
    Rename("entrypoints/launchers/launcher.py", "setup_server", "bind_server",
           "launcher:setup_server is gone", "server/launcher.py"),
    Rename("v1/core/sched/output.py", "num_scheduled_tokens", "scheduled_tokens",
           "SchedulerOutput has no `num_scheduled_tokens`",
           "server/engine_core/metered_scheduler.py"),
    Rename("v1/engine/exceptions.py", "EngineDeadError", "EngineGoneError",
           "EngineDeadError is gone", "server/record/outcome.py"),
)  # fmt: skip


class Copy:
    """The installed sources with the renames made in them."""

    def __init__(self, renames: tuple[Rename, ...]) -> None:
        self._renames = {f"vllm/{each.path}": each for each in renames}

    def names(self) -> list[str]:
        return FOLDER.names()

    def read(self, name: str) -> str:
        text, each = FOLDER.read(name), self._renames.get(name)
        return re.sub(rf"(?<!\w){re.escape(each.old)}(?!\w)", each.new, text) if each else text


@pytest.fixture(scope="module")
def broken() -> list[Break]:
    return compare(REPO, INSTALLED, Tree(Copy(RENAMES), INSTALLED), SEAMS).breaks


def line(text: str, place: Place) -> str:
    return text.splitlines()[place.line - 1]


@pytest.mark.parametrize("each", RENAMES, ids=lambda each: each.old)
def test_each_of_ten_renames_is_named(each: Rename, broken: list[Break]) -> None:
    found = [one for one in broken if one.what.endswith(each.says)]
    assert len(found) == 1, [one.what for one in broken]
    places = [place for place in found[0].ours if place.path == each.ours]
    assert places, found[0].ours
    assert line((REPO / each.ours).read_text(), places[0]).strip()
    before, after = found[0].before, found[0].after
    assert before is not None and after is not None
    assert each.defines in line(FOLDER.read(before.path), before)
    assert each.defines.replace(each.old, each.new) in line(Copy(RENAMES).read(after.path), after)


def test_nothing_breaks_against_itself() -> None:
    result = compare(REPO, INSTALLED, Tree(FOLDER, INSTALLED), SEAMS)
    assert result == Result(new={"metrics": [], "routes": []})


def packed(path: Path, **modules: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in {"__init__": "", **modules}.items():
            wheel.writestr(f"vllm/{name}.py", text)
    return path


def unpacked(root: Path, **modules: str) -> Folder:
    with zipfile.ZipFile(packed(root / "one.whl", **modules)) as wheel:
        wheel.extractall(root)
    return Folder(root)


def test_what_moved_is_looked_for_and_held_there(tmp_path: Path) -> None:
    old = Tree(unpacked(tmp_path / "old", here="def start(args): ...\n"))
    new = Tree(Wheel(packed(tmp_path / "new.whl", there="\n\ndef start(args, more): ...\n")))
    seam = Seam("vllm.here:start", "server.py:start(", given=("args",))
    (tmp_path / "server.py").write_text("from vllm.here import start\n\nstart(args)\n")
    (found,) = compare(tmp_path, old, new, [seam]).breaks
    assert found.what == "vllm.here:start is gone"
    assert found.ours == [Place("server.py", 3)]
    assert (found.before, found.after) == (Place("vllm/here.py", 1), Place("vllm/there.py", 3))
    assert found.hint == "it moved to vllm/there.py, where vllm.there:start needs a `more`"


def test_what_changed_inside_is_to_be_read_again(tmp_path: Path) -> None:
    old = Tree(unpacked(tmp_path / "old", m="def f(a):\n    return 1\n"))
    new = Tree(Wheel(packed(tmp_path / "new.whl", m="\ndef f(a):\n    return 2\n")))
    result = compare(tmp_path, old, new, [Seam("vllm.m:f", "ours.py", begins=("a",))])
    assert result.breaks == []
    places = (Place("ours.py", 1), Place("vllm/m.py", 1), Place("vllm/m.py", 2))
    assert result.again == [("vllm.m:f", *places)]


def test_a_metric_of_another_kind_or_with_other_labels_breaks(tmp_path: Path) -> None:
    code = 'self._{}_cls(name="vllm:depth", documentation="", labelnames=["model"])\n'
    old = Tree(unpacked(tmp_path / "old", m=code.format("gauge")))
    new = Tree(Wheel(packed(tmp_path / "new.whl", m=code.format("counter"))))
    (tmp_path / "server/catalogue").mkdir(parents=True)
    (tmp_path / "server/catalogue/vllm.py").write_text('VLLM = (\n    _vllm("depth"),\n)\n')
    (found,) = compare(tmp_path, old, new, []).breaks
    assert "made as `counter ['model']`, no longer as `gauge ['model']`" in found.what
    assert found.ours == [Place("server/catalogue/vllm.py", 2)]


def test_a_flag_breaks_though_the_field_behind_it_stays(tmp_path: Path) -> None:
    code = (
        "class EngineArgs:\n    max_len: int = 0\n\n"
        "    def add(group):\n        group.add_argument('--{}')\n"
    )
    trees = [Tree(unpacked(tmp_path / flag, **{"engine/arg_utils": code.format(flag)}))
             for flag in ("max-len", "most-tokens")]  # fmt: skip
    (tmp_path / "compose.yaml").write_text("command: >\n  --max-len 7\n")
    (found,) = compare(tmp_path, *trees, []).breaks
    assert found.what == "flag max_len is gone"
    assert found.ours == [Place("compose.yaml", 2)]
    assert found.before == Place("vllm/engine/arg_utils.py", 5)


def settings(cache: Path, version: str) -> Settings:
    return Settings(REPO, cache / "state", cache, {"VLLM": version})


@pytest.mark.parametrize("version", ["", "latest", "../0.33.0", "0.33.0; rm"])
def test_what_is_no_version_is_refused(version: str, tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"is no version: make upgrade-check VLLM=0\.33\.0"):
        upgrade.upgrade_check(settings(tmp_path, version))


def test_a_wheel_in_the_cache_is_read_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unpacked(tmp_path / "old", m="def f(a): ...\n")
    monkeypatch.setattr(upgrade, "_installed", lambda _: (tmp_path / "old", "1.0"))
    monkeypatch.setattr(upgrade, "SEAMS", (Seam("vllm.m:f", "Makefile:help", begins=("a",)),))
    packed(tmp_path / "wheels" / "vllm-1.1-py3-none-any.whl", m="raise SystemExit\ndef f(a): ...")
    packed(tmp_path / "wheels" / "vllm-1.2-py3-none-any.whl", m="def f(b): ...\n")
    assert upgrade.upgrade_check(settings(tmp_path, "1.1")) == 0
    assert "nothing that we know of" in capsys.readouterr().out
    assert upgrade.upgrade_check(settings(tmp_path, "1.2")) == 1
    told = capsys.readouterr().out
    assert "✗ vllm.m:f begins with (b), no longer (a)" in told
    for place in ("ours  Makefile:3", "1.0   vllm/m.py:1", "1.2   vllm/m.py:1"):
        assert place in told


@pytest.mark.parametrize("version", ["1.1", "1.1.0", "1.1.0.0", "01.1"])
def test_a_version_may_be_spelled_shorter_than_its_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    folder = tmp_path / "wheels"
    packed(folder / "vllm-1.1.0-py3-none-any.whl", m="")
    for other in ("1.10.0", "1.1.0rc1", "1.1.1", "1.1.0+cpu"):
        packed(folder / f"vllm-{other}-py3-none-any.whl", m="")
    monkeypatch.setattr(upgrade, "_fetch", pytest.fail)
    found = upgrade._wheel(settings(tmp_path, version), version)
    assert found.name == "vllm-1.1.0-py3-none-any.whl"
    assert "rc1" in upgrade._wheel(settings(tmp_path, "1.1RC1"), "1.1RC1").name


def test_a_wheel_that_is_rotten_inside_is_said(tmp_path: Path) -> None:
    path = tmp_path / "vllm-1.1-py3-none-any.whl"
    packed(path, m="def f(): ...  # here\n")
    path.write_bytes(path.read_bytes().replace(b"# here", b"# gone"))
    with pytest.raises(Fault, match=r"vllm/m\.py cannot be read .*delete the wheel"):
        Tree(Wheel(path)).module("vllm.m")


def test_what_is_new_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    new = Offer("POST /v1/new", Place("vllm/a.py", 7))
    upgrade._tell(Result(new={"metrics": [], "routes": [new]}), "1.0", "1.1")
    assert "  POST /v1/new  vllm/a.py:7" in capsys.readouterr().out


def test_what_is_no_wheel_or_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "bad.whl").write_text("no zip")
    with pytest.raises(Fault, match=r"bad\.whl is no wheel"):
        Wheel(tmp_path / "bad.whl")
    with pytest.raises(Fault, match="there is no vllm/ in it"):
        Tree(Folder(tmp_path))
    with pytest.raises(Fault, match=r"vllm/m\.py:1 cannot be read .*newer Python"):
        compare(tmp_path, Tree(unpacked(tmp_path, m="def")), Tree(unpacked(tmp_path)),
                [Seam("vllm.m:f", "")])  # fmt: skip
