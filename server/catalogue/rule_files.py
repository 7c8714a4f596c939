"""The rules of prometheus/rules/ and prometheus/alerts/, one by one."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


def each_rule(repo: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every recording and alerting rule that is always loaded, with the file where it stands.

    Those of prometheus/optional/, and copies of them among the others, are not: nothing of ours may
    read what they record.
    """
    optional = {path.name for path in repo.glob("prometheus/optional/*.yaml")}
    for path in sorted(repo.glob("prometheus/*/*.yaml")):
        if path.name in optional:
            continue
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in content.get("groups", ()) if isinstance(content, dict) else ():
            yield from ((path, rule) for rule in group["rules"])
