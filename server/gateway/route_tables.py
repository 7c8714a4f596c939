"""The tables of routes in docs/server.md; `python -m server.gateway.route_tables` writes them."""

import sys
from collections.abc import Iterator
from pathlib import Path

from server.gateway.closed_routes import CLOSED
from server.gateway.routes import CALLS, MEANING, NEEDS, PROBES, TOKENIZE
from server.record.request import Operation

PAGE = Path("docs/server.md")
BEGIN = "<!-- routes: written by python -m server.gateway.route_tables -->"
END = "<!-- end of routes -->"


def _open() -> Iterator[str]:
    yield "| open | operation | the model needs |"
    yield "| --- | --- | --- |"
    for (method, path), operation in {**CALLS, **TOKENIZE}.items():
        what = "none: no model runs" if operation is Operation.OTHER else f"`{operation.value}`"
        need = MEANING[NEEDS[path]] if path in NEEDS else "nothing"
        if path in {path for _, path in TOKENIZE}:
            need = "`LLM_SERVER_TOKENIZE=1`"
        yield f"| `{method} {path}` | {what} | {need.replace(chr(39), '`')} |"
    probes = ", ".join(f"`{method} {path}`" for method, path in sorted(PROBES))
    yield f"| {probes} | a probe | nothing |"


def _closed() -> Iterator[str]:
    yield "| closed | routes of vLLM | why |"
    yield "| --- | --- | --- |"
    for closed in CLOSED:
        paths = ", ".join(f"`{path}`" for path in closed.paths)
        yield f"| {closed.what} | {paths} | {closed.why} |"


def tables() -> str:
    """Both tables, between the marks."""
    return "\n".join((BEGIN, "", *_open(), "", *_closed(), "", END))


def put_into(page: str) -> str:
    """The page with its tables as they are now; raises ValueError where it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no {BEGIN} ... {END}")
    return f"{before}{tables()}{after}"


def main() -> int:
    """Write the page; with --check, 1 where it is not fresh."""
    page = PAGE.read_text()
    fresh = put_into(page)
    if "--check" in sys.argv[1:]:
        return int(page != fresh)
    PAGE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
