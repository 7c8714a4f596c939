"""The build of the server's image: server/install.sh on bases that have this or that installer."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
SCRIPT = REPO / "server/install.sh"
SAY = 'echo "$(basename "$0") $*" >>"$SAID"\n'
# A python3 that has what HAS names; what it compiles, the real one does.
PYTHON = f"""#!{sys.executable}
import os, sys
has, said = os.environ["HAS"].split(), os.environ["SAID"]
words = sys.argv[1:]
if words[0] == "-c":
    print(os.environ["FOLDER"])
elif words[1] == "compileall":
    os.execv(sys.executable, [sys.executable, *words])
elif words[1:] == ["pip", "--version"]:
    sys.exit("pip" not in has and not os.path.exists(said + ".pip"))
elif words[1] == "ensurepip":
    open(said + ".pip", "w").close() if "ensurepip" in has else sys.exit(1)
else:
    managed = os.environ.get("PIP_BREAK_SYSTEM_PACKAGES") == "1"
    open(said, "a").write(" ".join(words[1:]) + (" into the system\\n" if managed else "\\n"))
"""
HASHED = "--no-deps --require-hashes -r requirements/{}.lock"


class Base:
    """A base image: a folder of commands, and what was said to them."""

    def __init__(self, root: Path) -> None:
        self.root, self.bin, self.said = root, root / "bin", root / "said"
        self.packages = root / "site-packages"
        for folder in (self.bin, self.packages, root / "requirements"):
            folder.mkdir()
        for name in ("native", "server"):
            (root / "requirements" / f"{name}.lock").touch()
        self.command("python3", PYTHON)
        self.command("chmod", '#!/bin/sh\nexec /bin/chmod "$@"\n')
        # The script empties /var/lib/apt/lists: here it must not.
        for name in ("apt-get", "rm"):
            self.command(name, "#!/bin/sh\nPATH=/usr/bin:/bin\n" + SAY)

    def command(self, name: str, text: str) -> None:
        file = self.bin / name
        file.write_text(text)
        file.chmod(0o755)

    def install(self, lock: str, has: str = "pip") -> subprocess.CompletedProcess[str]:
        """Run the script with these commands and no others."""
        for name in set(has.split()) & {"uv"}:
            self.command(name, "#!/bin/sh\nPATH=/usr/bin:/bin\n" + SAY)
        said = {"SAID": str(self.said), "HAS": has, "FOLDER": str(self.packages)}
        return subprocess.run(
            ["/bin/sh", str(SCRIPT), lock],
            cwd=self.root,
            env={"PATH": str(self.bin), **said},
            capture_output=True,
            text=True,
            check=False,
        )

    def lines(self) -> list[str]:
        return self.said.read_text().splitlines()


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path)


def test_an_image_with_vllm_gets_our_imports_and_nothing_else(base: Base) -> None:
    assert base.install("server").returncode == 0
    pip = f"pip install --no-cache-dir --no-compile {HASHED.format('server')} into the system"
    assert base.lines() == [pip]


def test_a_plain_python_gets_the_engine_and_what_it_loads(base: Base) -> None:
    assert base.install("native").returncode == 0
    update, install, clean, pip = base.lines()
    assert update == "apt-get update"
    assert install.endswith("--no-install-recommends g++ libnuma1")
    assert clean.startswith("rm -rf /var/lib/apt/lists")
    assert pip.endswith(f"{HASHED.format('native')} into the system")


def test_a_python_without_pip_is_installed_into_with_uv(base: Base) -> None:
    assert base.install("server", has="uv").returncode == 0
    (line,) = base.lines()
    target = f"--python {base.bin / 'python3'} --break-system-packages --no-cache"
    assert line == f"uv pip install {target} {HASHED.format('server')}"


def test_a_python_that_can_make_pip_makes_it(base: Base) -> None:
    assert base.install("server", has="ensurepip").returncode == 0
    assert base.lines()[0].startswith("pip install")


def test_a_base_with_no_installer_says_so(base: Base) -> None:
    done = base.install("server", has="")
    assert done.returncode == 1
    assert "neither pip nor uv nor ensurepip: take another BASE_IMAGE" in done.stderr


def test_a_base_without_python_says_so(base: Base) -> None:
    (base.bin / "python3").unlink()
    assert "this base has no python3" in base.install("server").stderr


def test_an_engine_needs_apt(base: Base) -> None:
    (base.bin / "apt-get").unlink()
    done = base.install("native")
    assert done.returncode == 1
    assert "no apt-get" in done.stderr


@pytest.mark.parametrize("name", ["", "dev", "../server"])
def test_a_lock_that_is_not_there_is_named(base: Base, name: str) -> None:
    done = base.install(name)
    assert done.returncode == 1
    assert f"REQUIREMENTS is native or server, not {name}" in done.stderr


@pytest.mark.parametrize(("has", "installer"), [("pip", "pip install"), ("uv", "uv pip install")])
def test_our_own_code_is_installed_from_no_registry(base: Base, has: str, installer: str) -> None:
    assert base.install("project", has=has).returncode == 0
    (line,) = base.lines()
    assert line.startswith(f"{installer} ")
    rest = line.removesuffix(" into the system")
    assert rest.endswith("--no-deps --no-index --no-build-isolation .")


def test_our_own_code_that_is_no_python_stops_the_build(base: Base) -> None:
    (base.packages / "broken.py").write_text("{{ no python }}\n")
    done = base.install("project")
    assert (done.returncode, "SyntaxError" in done.stdout) == (1, True)


def test_our_own_code_can_be_read_by_all_and_is_compiled_for_good(base: Base) -> None:
    (base.packages / "ours.py").write_text("x = 1\n")
    base.packages.chmod(0o700)
    (base.packages / "ours.py").chmod(0o600)
    assert base.install("project").returncode == 0
    assert (base.packages / "ours.py").stat().st_mode & 0o777 == 0o644
    assert base.packages.stat().st_mode & 0o777 == 0o755
    assert _flags(base.packages / "ours.py") == 1


def test_what_runs_in_the_image_is_what_was_installed() -> None:
    lines = (REPO / "server/Dockerfile").read_text().splitlines()
    folders = [line.split()[1] for line in lines if line.startswith("WORKDIR ")]
    # The source is in another folder than the start, or Python would find it there first.
    assert folders == ["/src", "/app"]
    assert 'ENTRYPOINT ["/app/entrypoint.sh"]' in lines
    assert any(line.strip() == "&& rm -rf /src/*" for line in lines)


def _flags(source: Path) -> int:
    """How the bytecode of a file is checked: 0 by time, 1 not at all."""
    (compiled,) = (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")
    return int.from_bytes(compiled.read_bytes()[4:8], "little")


def test_all_is_compiled_once_and_for_good(base: Base) -> None:
    new, old, template = (base.packages / f"{name}.py" for name in ("new", "old", "template"))
    for file in (new, old):
        file.write_text("x = 1\n")
    template.write_text("{{ no python }}\n")
    compiler = [sys.executable, "-m", "compileall", "-q"]
    subprocess.run([*compiler, "--invalidation-mode", "timestamp", str(old)], check=True)
    assert base.install("server").returncode == 0
    assert (_flags(new), _flags(old)) == (1, 0)
    os.utime(new, (1, 1))
    loaded = [sys.executable, "-B", "-v", "-c", "import new"]
    done = subprocess.run(loaded, cwd=base.packages, capture_output=True, text=True, check=True)
    assert re.search(r"code object from '?.*new\.cpython.*\.pyc", done.stderr)


@pytest.mark.parametrize(
    ("ignore", "dockerfile"),
    [
        (".dockerignore", "server/Dockerfile"),
        ("loadtest/Dockerfile.dockerignore", "loadtest/Dockerfile"),
    ],
)
def test_a_dockerfile_copies_what_its_dockerignore_lets_in(ignore: str, dockerfile: str) -> None:
    ignored = (REPO / ignore).read_text().splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copies = re.findall(r"^COPY (.+) \S+$", (REPO / dockerfile).read_text(), re.M)
    sources = {source.rstrip("/") for copy in copies for source in copy.split()}
    let_in = {name.removesuffix("/*.py").removesuffix("/generator") for name in let_in}
    assert {source for source in sources if source != "server/install.sh"} == let_in


def test_what_is_installed_is_a_lock_that_both_bases_have() -> None:
    values = dict(re.findall(r"^([CG]PU_\w+)=(\S+)$", (REPO / ".env").read_text(), re.M))
    assert values["CPU_BASE_IMAGE"].startswith("python:3.12")
    assert (values["CPU_REQUIREMENTS"], values["GPU_REQUIREMENTS"]) == ("native", "server")
    lock = (REPO / "requirements/native.lock").read_text()
    assert len(re.findall(r"^\S+==\S+", lock, re.M)) <= lock.count("--hash=sha256:")
