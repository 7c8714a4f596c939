"""The rules of prometheus/rules/ and prometheus/alerts/, one by one."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


def each_rule(repo: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every recording and alerting rule, with the file where it stands."""
    for path in sorted(repo.glob("prometheus/*/*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in content.get("groups", ()) if isinstance(content, dict) else ():
            yield from ((path, rule) for rule in group["rules"])
