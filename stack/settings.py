"""The settings of one checkout: `.env`, overridden by the environment, and the folders named."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.errors import Fault

_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
TINY_ARGS = "--enforce-eager --max-model-len 2048 --dtype float32"


def _unquote(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def _parse_line(path: Path, number: int, line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line.strip())
    if not match:
        raise Fault(f"{path.name} line {number} is not KEY=value", "write one KEY=value a line")
    key, value = match.group(1), _unquote(match.group(2))
    if _REFERENCE.search(value):
        raise Fault(f"{path.name} line {number}: {key} refers to a variable", "write its value out")
    return key, value


def read_env_file(path: Path) -> dict[str, str]:
    """Read KEY=value lines, the part of the dotenv format that compose and we read alike."""
    if not path.exists():
        return {}
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    wanted = [(n, line) for n, line in lines if line.strip() and not line.strip().startswith("#")]
    return dict(_parse_line(path, number, line) for number, line in wanted)


@dataclass(frozen=True)
class Settings:
    """One checkout's folders and its merged variables."""

    repo: Path
    state: Path
    cache: Path
    values: Mapping[str, str]

    @property
    def run(self) -> Path:
        """The folder of sockets, pids and rendered files."""
        return self.state / "run"

    @property
    def logs(self) -> Path:
        """The folder of one log file per part."""
        return self.state / "logs"

    @property
    def is_tiny(self) -> bool:
        """True when the embedded model serves."""
        return self.values.get("MODEL", "") in ("", "tiny")

    @property
    def served_name(self) -> str:
        """The model name that clients send."""
        named = self.values.get("SERVED_MODEL_NAME", "")
        return named or ("tiny-llama" if self.is_tiny else self.values["MODEL"])

    @property
    def vllm_args(self) -> str:
        """Extra flags of the server: VLLM_ARGS, else those that suit the embedded model."""
        given = self.values.get("VLLM_ARGS", "")
        tiny = self.values.get("VLLM_ARGS_TINY") or TINY_ARGS
        return given or (tiny if self.is_tiny else "")


def _cache_folder(env: Mapping[str, str]) -> Path:
    base = env.get("XDG_CACHE_HOME") or str(Path(env.get("HOME") or Path.home()) / ".cache")
    return Path(base) / "llm-observability"


def load(repo: Path, env: Mapping[str, str] | None = None) -> Settings:
    """Merge `.env` with the environment (which wins); raises Fault for an unreadable line."""
    environ = dict(os.environ if env is None else env)
    values = {**read_env_file(repo / ".env"), **environ}
    state = (repo / (values.get("STATE_DIR") or ".state")).resolve()
    return Settings(repo, state, _cache_folder(environ), values)
