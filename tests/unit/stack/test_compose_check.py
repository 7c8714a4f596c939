"""`make check` can fail: on a compose.yaml that is broken, and on one that is weaker."""

import shutil
import subprocess
from pathlib import Path

from stack.commands import check
from stack.settings import load

REPO = Path(__file__).parents[3]


def test_make_check_fails_on_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {server: {image: 1, ports: here}}")
    env = check.tools(load(REPO))
    command = check.checks(load(REPO))["compose, CPU"]
    found = shutil.which(command[0], path=env["PATH"])
    assert found
    done = subprocess.run([found, *command[1:]], cwd=tmp_path, env=env, check=False)
    assert done.returncode != 0


def test_make_check_lints_for_hardening(tmp_path: Path) -> None:
    weakened = (REPO / "compose.yaml").read_text().replace("  read_only: true\n", "", 1)
    (tmp_path / "compose.yaml").write_text(weakened)
    for name in (".env", ".compose-lint.yml"):
        shutil.copyfile(REPO / name, tmp_path / name)
    command = check.checks(load(REPO))["compose, hardening"]
    done = subprocess.run(command, cwd=tmp_path, env=check.tools(load(REPO)), check=False)
    assert done.returncode == 1
