"""All boards as one HTML file that needs nothing else: pictures, descriptions, queries, times."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from grafana.pictures.evaluate import Answer, Page

_STYLE = """
body{margin:0;background:#111217;color:#d8d9dd;font:14px/1.45 system-ui,sans-serif}
main{max-width:1640px;margin:0 auto;padding:16px}
nav a{color:#6e9fff;margin-right:16px} img{width:100%;border-radius:4px}
h2{margin:32px 0 8px} summary{cursor:pointer;margin:8px 0;color:#8e9099}
table{border-collapse:collapse;width:100%} td,th{border-top:1px solid #2a2d33;padding:6px 8px;
text-align:left;vertical-align:top} code{color:#9ecbff;word-break:break-word}
.missing{color:#f2495c}
"""


def write(pages: Sequence[Page], folder: Path) -> Path:
    """Write `index.html` into the folder that holds each board's PNG, and return its path."""
    links = "".join(f'<a href="#{p.board.uid}">{escape(p.board.title)}</a>' for p in pages)
    body = "".join(_board(page, folder / picture_name(page)) for page in pages)
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>LLM serving: boards</title>'
        f"<style>{_STYLE}</style><main><nav>{links}</nav>{body}</main></html>\n"
    )
    path = folder / "index.html"
    path.write_text(html, encoding="utf-8")
    return path


def picture_name(page: Page) -> str:
    """The file name of a board's PNG."""
    return f"{page.board.uid.removeprefix('llm-')}.png"


def _board(page: Page, picture: Path) -> str:
    data = base64.b64encode(picture.read_bytes()).decode()
    rows = "".join(_row(answer) for answer in page.answers)
    title, about = escape(page.board.title), escape(str(page.board.raw.get("description", "")))
    return (
        f'<h2 id="{page.board.uid}">{title}</h2><p>{about}</p>'
        f'<img alt="{title}" src="data:image/png;base64,{data}">'
        f"<details><summary>What each panel shows, and its queries</summary><table>"
        f"<tr><th>panel</th><th>what it shows and what to do</th><th>queries</th><th>ms</th></tr>"
        f"{rows}</table></details>"
    )


def _row(answer: Answer) -> str:
    queries = "<br>".join(f"<code>{escape(query)}</code>" for query in answer.queries)
    state = ' class="missing"' if answer.missing else ""
    return (
        f"<tr><td{state}>{escape(answer.panel.title)}</td>"
        f"<td>{escape(str(answer.panel.raw.get('description', '')))}</td>"
        f"<td>{queries}</td><td>{answer.seconds * 1000:.0f}</td></tr>"
    )
