"""`make export`: rules and boards for a Prometheus and a Grafana that are not ours."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.errors import Fault
from stack.say import say
from stack.settings import Settings

WATCH_OTHERS = ("machine", "monitoring", "targets")
"""Alerts on every machine and target there is, and on a Prometheus of ours: yours has such."""
OPTIONAL = "server-down"
"""What says that the server is away where those are left out."""
_UIDS = {"PROMETHEUS_UID": "prometheus", "TEMPO_UID": "tempo", "LOKI_UID": "loki"}
_URLS = {"GRAFANA_URL": "http://127.0.0.1:3000", "RUNBOOKS_URL": "http://127.0.0.1:9095"}
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_URL = re.compile(r"https?://[A-Za-z0-9._~:/\[\]-]+")


@dataclass(frozen=True)
class Yours:
    """How your stack calls what ours has: uids of data sources and addresses, by our own."""

    uids: dict[str, str]
    urls: dict[str, str]

    def linked(self, text: str) -> str:
        """The text with your addresses in the place of ours."""
        # In one pass: one of yours may be another of ours.
        ours = "|".join(map(re.escape, self.urls))
        return re.sub(ours, lambda found: self.urls[found[0]], text)

    def told(self, node: Any) -> Any:
        """A board, or a part of it, that asks your data sources and leads to your addresses."""
        if isinstance(node, list):
            return [self.told(each) for each in node]
        if isinstance(node, dict):
            made = {key: self.told(each) for key, each in node.items()}
            source = made.get("datasource")
            if isinstance(source, dict) and source.get("uid") in self.uids:
                source["uid"] = self.uids[source["uid"]]
            return made
        return self.linked(node) if isinstance(node, str) else node


def _given(settings: Settings, key: str, default: str, shape: re.Pattern[str], like: str) -> str:
    value = settings.values.get(key, "").strip() or default
    if not shape.fullmatch(value):
        raise Fault(f"{key}={value} is not understood", f"write it like {key}={like}")
    return value.rstrip("/")


def yours(settings: Settings) -> Yours:
    """What the variables say; raises Fault for one of another form."""
    uids = {
        ours: _given(settings, key, ours, _UID, "P1809F7CD0C75ACF3") for key, ours in _UIDS.items()
    }
    urls = {
        ours: _given(settings, key, ours, _URL, "https://grafana.example.org")
        for key, ours in _URLS.items()
    }
    return Yours(uids, urls)


def _rules(repo: Path) -> Iterator[tuple[str, Path]]:
    """The rule files for yours, by the name that each gets."""
    for path in sorted((repo / "prometheus" / "rules").glob("*.yaml")):
        yield f"rules-{path.name}", path
    for path in sorted((repo / "prometheus" / "alerts").glob("*.yaml")):
        if path.stem not in WATCH_OTHERS:
            yield f"alerts-{path.name}", path
    yield f"alerts-{OPTIONAL}.yaml", repo / "prometheus" / "optional" / f"{OPTIONAL}.yaml"


def _write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def _written(settings: Settings, folder: Path, made: Yours) -> tuple[int, int]:
    """Write all files; returns how many of rules and of boards there are."""
    rules = list(_rules(settings.repo))
    for name, path in rules:
        _write(folder / "rules", name, made.linked(path.read_text(encoding="utf-8")))
    boards = sorted((settings.repo / "grafana" / "dashboards" / "generated").glob("*.json"))
    for path in boards:
        board = made.told(json.loads(path.read_text(encoding="utf-8")))
        _write(folder / "boards", path.name, f"{json.dumps(board, indent=2)}\n")
    return len(rules), len(boards)


def export(settings: Settings) -> int:
    """Write `rules/` and `boards/` into the folder TO, other files there are left alone."""
    to = settings.values.get("TO", "").strip()
    if not to:
        raise Fault("TO is not set", "make export TO=folder")
    folder = Path(to) if Path(to).is_absolute() else settings.repo / to
    rules, boards = _written(settings, folder, yours(settings))
    say(f"  {rules} rule files in {folder / 'rules'}, {boards} boards in {folder / 'boards'}")
    say(f"  left out, as yours has such alerts: {', '.join(WATCH_OTHERS)} (docs/existing-stack.md)")
    return 0
