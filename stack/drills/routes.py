"""Puts the drill's receiver into a configuration of Alertmanager, as text and in front of others.

While a drill runs, what it sets off goes to its receiver alone: nobody is woken by a drill.
Watchdog goes on to where it always goes, or the drill would look like a dead Alertmanager.
"""

import re

NAME = "drill"
_ROUTE = """{indent}- receiver: {name}
{indent}  matchers: [alertname != Watchdog]
{indent}  group_by: ["..."]
{indent}  group_wait: 1s
{indent}  group_interval: 5s
{indent}  repeat_interval: 1h
"""
_RECEIVER = """{indent}- name: {name}
{indent}  webhook_configs:
{indent}    - {{url: "{url}", send_resolved: true, max_alerts: 0}}
"""


class NoPlaceError(ValueError):
    """The configuration has no `route:` or no `receivers:` at its left edge."""


def _block(text: str, key: str) -> tuple[int, int]:
    """Where the content of a top-level key begins and ends."""
    start = re.search(rf"^{key}:[ \t]*(?:#.*)?\n", text, re.M)
    if not start:
        raise NoPlaceError(f"no `{key}:` on a line of its own")
    after = re.compile(r"^[^\s#-]", re.M).search(text, start.end())
    return start.end(), after.start() if after else len(text)


def _item_indent(text: str, start: int, end: int, default: str) -> str:
    found = re.compile(r"^( *)- ", re.M).search(text, start, end)
    return found.group(1) if found else default


def _with_receiver(text: str, url: str) -> str:
    start, end = _block(text, "receivers")
    indent = _item_indent(text, start, end, "  ")
    return text[:start] + _RECEIVER.format(indent=indent, name=NAME, url=url) + text[start:]


def _with_route(text: str) -> str:
    start, end = _block(text, "route")
    found = re.compile(r"^( +)routes:[ \t]*(?:#.*)?\n", re.M).search(text, start, end)
    if found:
        at = found.end()
        indent = _item_indent(text, at, end, found.group(1) + "  ")
        return text[:at] + _ROUTE.format(indent=indent, name=NAME) + text[at:]
    first = re.compile(r"^( +)\S", re.M).search(text, start, end)
    indent = first.group(1) if first else "  "
    routes = f"{indent}routes:\n" + _ROUTE.format(indent=f"{indent}  ", name=NAME)
    return text[:start] + routes + text[start:]


def has_drill(text: str) -> bool:
    """True for a configuration with a drill's receiver."""
    return f"- name: {NAME}\n" in text


def leads_to(text: str, url: str) -> bool:
    """True for a configuration with the drill's receiver at this URL."""
    return has_drill(text) and f'- {{url: "{url}", send_resolved' in text


def with_drill(text: str, url: str) -> str:
    """The configuration with a receiver `drill` at this URL, asked first; raises NoPlaceError."""
    return _with_receiver(_with_route(text), url)
