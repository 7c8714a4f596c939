"""The runbooks and the documents beside them, as pages whose links lead to each other."""

import posixpath
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from alertmanager.frame import page
from alertmanager.markdown import headings, slug, to_html

_NUMBERS = "/docs/numbers"
"""The page that has a heading for each metric and each recorded name."""
_FOLDERS = {"/runbooks/": "runbooks", "/docs/": ""}
"""The address of each folder that is served, and its place within docs/."""


class Library:
    """Serves `runbooks/*.md` and `*.md` of a folder, and no other file of it."""

    def __init__(self, docs: Path) -> None:
        self._docs = docs
        self._made: dict[str, tuple[int, str]] = {}
        """When each file was changed whose page is kept: the numbers' takes a third of a second."""

    def files(self) -> dict[str, Path]:
        """Every address that there is a page for, and its file."""
        return {
            f"{address}{path.stem}": path
            for address, folder in _FOLDERS.items()
            for path in sorted((self._docs / folder).glob("*.md"))
            if path.is_file() and not path.is_symlink()
        }

    def show(self, address: str) -> str | None:
        """The page at an address, None where there is none."""
        files = self.files()
        if address not in files:
            return None
        changed = files[address].stat().st_mtime_ns
        if self._made.get(address, (0, ""))[0] != changed:
            self._made[address] = changed, self._made_of(address, files)
        return self._made[address][1]

    def _made_of(self, address: str, files: dict[str, Path]) -> str:
        text = files[address].read_text(encoding="utf-8", errors="replace")
        title = next(iter(headings(text, 1)), address)
        known = {self._place(path): at for at, path in files.items()}
        here = posixpath.dirname(self._place(files[address]))
        return page(title, to_html(text, lambda link: _resolve(link, here, known)))

    def _place(self, path: Path) -> str:
        return path.relative_to(self._docs).as_posix()

    def _chapters(self) -> list[tuple[str, list[str]]]:
        return [
            (address, headings(path.read_text(encoding="utf-8", errors="replace"), 2))
            for address, path in self.files().items()
            if address.startswith("/runbooks/")
        ]

    def of_alert(self, name: str) -> str | None:
        """Where the runbook speaks of an alert of that name, None where it does not."""
        places = (at for at, alerts in self._chapters() if name in alerts)
        address = next(places, None)
        return f"{address}#{slug(name)}" if address else None

    def of_number(self, name: str) -> str | None:
        """Where a metric or a recorded name is explained, None where it is not."""
        heading = f"`{name}`"
        file = self.files().get(_NUMBERS)
        known = file.read_text(encoding="utf-8", errors="replace").splitlines() if file else []
        return f"{_NUMBERS}#{slug(heading)}" if f"### {heading}" in known else None

    def index(self) -> str:
        """The list of alerts by chapter."""
        found = "".join(_chapter(address, alerts) for address, alerts in self._chapters())
        none = f"<p>No runbooks in {escape(str(self._docs))}: set ALERTLOG_DOCS.</p>\n"
        return page("Runbooks", f"<h1>Runbooks</h1>\n{found or none}")


def _chapter(address: str, alerts: list[str]) -> str:
    rows = "".join(
        f'<li><a href="{address}#{slug(alert)}">{escape(alert)}</a></li>\n' for alert in alerts
    )
    name = escape(posixpath.basename(address))
    return f'<h2><a href="{address}">{name}</a></h2>\n<ul>\n{rows}</ul>\n'


def _resolve(link: str, here: str, known: dict[str, str]) -> str | None:
    """Where a link of a page in `here` (within docs/) leads; None where nothing is served."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https"):
        return link
    if parts.scheme or parts.netloc or parts.query:
        return None
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    if not parts.path:
        return fragment or None
    target = known.get(posixpath.normpath(posixpath.join(here, parts.path)))
    return f"{target}{fragment}" if target else None
