"""The frame of each page that alertlog serves: no script, nothing from elsewhere, light or dark."""

import base64
import hashlib
from html import escape

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 52rem; margin: 0 auto;
       padding: 1rem 1.25rem 4rem; color: #1d2129; background: #fff; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2.5rem; padding-top: .75rem; border-top: 1px solid #d8dce3; }
:target { background: #fff3c4; }
a { color: #0b57b0; }
code, pre { font: 14px/1.5 ui-monospace, monospace; background: #f2f4f7; border-radius: 4px; }
code { padding: .1em .3em; user-select: all; }
h3 code { font-size: 1em; font-weight: bold; }
pre { padding: .75rem 1rem; overflow-x: auto; }
pre code { padding: 0; background: none; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid #d8dce3; padding: .35rem .6rem; text-align: left; vertical-align: top; }
@media (prefers-color-scheme: dark) {
  body { color: #d8dce3; background: #16181d; }
  h2, th, td { border-color: #3a3f4a; }
  :target { background: #4a3f12; }
  a { color: #7ab5ff; }
  code, pre { background: #23262e; }
}
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The Content-Security-Policy under which the frame's own style works and nothing else does."""


def page(title: str, body: str) -> str:
    """A whole page around HTML; the title is text."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        '<nav><a href="/runbooks/">All runbooks</a> · <a href="/alerts/newest">Newest alerts</a> · '
        '<a href="/docs/numbers">Every number</a></nav>\n'
        f"{body}</body>\n</html>\n"
    )


def message(title: str, *paragraphs: str) -> str:
    """A page of a few sentences, all of them text."""
    said = "".join(f"<p>{escape(one)}</p>\n" for one in paragraphs)
    return page(title, f"<h1>{escape(title)}</h1>\n{said}")
