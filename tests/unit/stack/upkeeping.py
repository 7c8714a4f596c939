"""A checkout with a server's state, and a Docker that is a script and a folder of volumes."""

import json
import shutil
import sys
from pathlib import Path

from stack.commands.backup import backup
from stack.settings import Settings, load

REPO = Path(__file__).resolve().parents[3]
ENTRY = f"in-flight/{'a' * 32}-{'b' * 16}"
PRICES = b"prices: {}\n"
VOLUME = "llm-observability_server-state"

_DOCKER = """#!{python}
import json, os, subprocess, sys
words, home = sys.argv[1:], os.environ["FAKE_DOCKER"]
with open(home + "/asked", "a") as asked:
    asked.write(json.dumps(words) + "\\n")
if words[:2] == ["volume", "ls"]:
    for name in sorted(os.listdir(home + "/volumes")):
        print(name.partition("_")[2], name)
elif words[:2] == ["volume", "rm"]:
    for name in words[2:]:
        subprocess.check_call(["rm", "-r", home + "/volumes/" + name])
elif words[0] == "run":
    mount = words[words.index("--mount") + 1]
    name = mount.split("source=")[1].split(",")[0]
    isolated = words.index("-I")
    command = [sys.executable, *words[isolated:-1], home + "/volumes/" + name]
    sys.exit(subprocess.call(command, env={{}}, cwd="/"))
elif words[0] == "ps" and os.path.exists(home + "/ps"):
    print(open(home + "/ps").read())
"""


def books(nanodollars: int = 1_500_000_000, version: int = 2) -> bytes:
    rows = [[["part", "idle"], nanodollars], [["model", "m", "ok"], 5]]
    return json.dumps(
        {"version": version, "books": rows, "open": 0, "unbilled": 0, "periods": {}}
    ).encode()


def checkout(folder: Path, **values: str) -> Settings:
    """A checkout of its own, never started."""
    (folder / "native").mkdir(parents=True)
    shutil.copy(REPO / "native" / "supervisord.conf", folder / "native")
    (folder / "server").mkdir()
    (folder / "server" / "prices.yaml").write_bytes(PRICES)
    return load(folder, values)


def fill(folder: Path, ledger: bytes | None = None) -> Path:
    """A server's state in this folder."""
    (folder / "in-flight").mkdir(parents=True)
    (folder / "ledger.json").write_bytes(ledger or books())
    (folder / "step-model.json").write_bytes(b"{}")
    (folder / ENTRY).write_bytes(b'{"trace_id": "x"}')
    return folder


def docker(home: Path) -> Path:
    """A `docker` command whose volumes are folders of `home`; the folder to put on PATH."""
    (home / "volumes").mkdir(parents=True)
    (home / "bin").mkdir()
    command = home / "bin" / "docker"
    command.write_text(_DOCKER.format(python=sys.executable))
    command.chmod(0o755)
    return home / "bin"


def made(settings: Settings) -> str:
    """The path of a new backup."""
    before = set((settings.repo / "backups").glob("*"))
    assert backup(settings) == 0
    (path,) = set((settings.repo / "backups").glob("*")) - before
    return str(path)


def told(settings: Settings, **values: str) -> Settings:
    """The same checkout with more variables in the shell."""
    return Settings(settings.repo, settings.state, settings.cache, {**settings.values, **values})


def left(settings: Settings) -> list[str]:
    """The files of the state."""
    files = (path for path in settings.state.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(settings.state)) for path in files)
