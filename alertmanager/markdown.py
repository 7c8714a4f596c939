"""Markdown to HTML: no HTML of the source's own, headings with ids, links by a rule."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

Resolve = Callable[[str], str | None]
"""The address to open for a link's own, None where there is none."""

_COMMENT = re.compile(r"^<!-- [^\n]* -->\n", re.M)
"""A note for programs on a line of its own: without HTML of the source's it would be text."""


def slug(heading: str) -> str:
    """A heading's id: its text in lower case, spaces as dashes, without other signs."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _text(inline: Token) -> str:
    return "".join(one.content for one in inline.children or [] if one.type != "softbreak")


def _headings(tokens: Sequence[Token]) -> Iterable[tuple[Token, str]]:
    """Each opening token of a heading, and the heading's text."""
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            yield opening, _text(inline)


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _name(tokens: Sequence[Token]) -> None:
    seen: dict[str, int] = {}
    for opening, text in _headings(tokens):
        name = slug(text)
        again = seen[name] = seen.get(name, -1) + 1
        opening.attrSet("id", f"{name}-{again}" if again else name)


def _kept(children: Iterable[Token], resolve: Resolve) -> Iterable[Token]:
    """The tokens of a paragraph, without the links that lead nowhere: links do not nest."""
    leads = False
    for token in children:
        if token.type == "link_open":
            target = resolve(str(token.attrGet("href") or ""))
            leads = target is not None
            token.attrs = {"href": target, "rel": "noreferrer"} if target else {}
        if leads or token.type not in ("link_open", "link_close"):
            yield token


def _without_images(children: Iterable[Token]) -> Iterable[Token]:
    for token in children:
        if token.type == "image":
            yield Token("text", "", 0, content=token.content)
        else:
            yield token


def to_html(text: str, resolve: Resolve) -> str:
    """The page's HTML; of an image its description stays, of a link without address its text."""
    parser = _parser()
    tokens = parser.parse(_COMMENT.sub("", text))
    _name(tokens)
    for token in tokens:
        if token.children:
            token.children = list(_without_images(_kept(token.children, resolve)))
    rendered: str = parser.renderer.render(tokens, parser.options, {})
    return rendered


def headings(text: str, level: int) -> list[str]:
    """The texts of the headings of a level, in their order."""
    found = _headings(_parser().parse(text))
    return [title for opening, title in found if opening.tag == f"h{level}"]
