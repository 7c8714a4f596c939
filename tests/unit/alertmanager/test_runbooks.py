"""Runbooks as pages: each of the repository's own, and what hostile files and paths come to."""

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from alertmanager.alertlog import build
from alertmanager.frame import POLICY, STYLE, page
from alertmanager.markdown import headings, slug, to_html
from alertmanager.runbooks import Library
from tests.unit.alert_desk import REPO, ask, settings
from tests.unit.html_page import Page
from tests.unit.listening import listening

OURS = Library(REPO / "docs")
ADDRESSES = sorted(OURS.files())
FRAME = Page(page("", "")).places
"""Where every page leads: its first links."""
CHAPTERS = [address for address in ADDRESSES if address.startswith("/runbooks/")]


@cache
def show(address: str) -> Page:
    text = OURS.show(address)
    assert text is not None, address
    return Page(text)


def test_every_chapter_is_served() -> None:
    stems = {path.stem for path in (REPO / "docs/runbooks").glob("*.md")}
    assert {address.removeprefix("/runbooks/") for address in CHAPTERS} == stems


@pytest.mark.parametrize("address", [*ADDRESSES, "/runbooks/"])
def test_every_link_of_every_page_leads_somewhere(address: str) -> None:
    page = Page(OURS.index()) if address == "/runbooks/" else show(address)
    assert page.open == []
    for place in page.places:
        parts = urlsplit(place)
        if parts.scheme:
            assert parts.scheme in ("http", "https")
        elif place not in FRAME:
            target = show(parts.path) if parts.path else page
            assert not parts.fragment or parts.fragment in target.ids, place


@pytest.mark.parametrize("address", CHAPTERS)
def test_no_link_of_a_runbook_is_lost(address: str) -> None:
    text = OURS.files()[address].read_text()
    dropped = []
    to_html(text, lambda link: dropped.append(link) or link)  # type: ignore[func-returns-value]
    places = show(address).places
    assert len(places) == len(dropped) + len(FRAME), dropped


@pytest.mark.parametrize("address", CHAPTERS)
def test_each_alert_has_its_place_on_the_page_and_in_the_list(address: str) -> None:
    alerts = headings(OURS.files()[address].read_text(), 2)
    assert alerts
    assert set(map(str.lower, alerts)) <= set(show(address).ids)
    assert {f"{address}#{alert.lower()}" for alert in alerts} <= set(Page(OURS.index()).places)


def test_the_runbook_url_of_every_alert_opens_at_its_place() -> None:
    files = (REPO / "prometheus/alerts").glob("*.yaml")
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    urls = [rule["annotations"].get("runbook_url") for rule in rules]
    for url in filter(None, urls):
        parts = urlsplit(url)
        assert parts.netloc == "127.0.0.1:9095"
        assert parts.fragment in show(parts.path).ids, url


def test_an_alert_is_found_by_its_name_alone() -> None:
    assert OURS.of_alert("EngineStalled") == "/runbooks/use#enginestalled"
    for stranger in ("enginestalled", "", "../logs", "EngineStalled\r\nx: y"):
        assert OURS.of_alert(stranger) is None


def test_a_number_is_found_by_its_name_alone() -> None:
    assert OURS.of_number("llm_requests_total") == "/docs/numbers#llm_requests_total"
    recorded = "model_objective:slo_burn:ratio1h"
    assert OURS.of_number(recorded) == "/docs/numbers#model_objectiveslo_burnratio1h"
    for stranger in ("llm_requests", "", "up`", "../logs", "up\r\nx: y"):
        assert OURS.of_number(stranger) is None


def test_without_the_page_of_numbers_none_is_found(tmp_path: Path) -> None:
    assert library(tmp_path).of_number("llm_requests_total") is None


def test_a_heading_becomes_the_id_that_a_link_names() -> None:
    assert slug("EngineStalled") == "enginestalled"
    assert slug("Beside the `convention`, v0.1") == "beside-the-convention-v01"
    page = Page(to_html("## A `b` c\n\n## A b c\n\ntext", str))
    assert page.ids == ["a-b-c", "a-b-c-1"]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <b onclick='x'>b</b>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](data:text/html;base64,PHM+)",
        "[a](vbscript:x)",
        "![a](http://foreign.example/pixel)",
        "![a](javascript:x)",
        '# <img src=x onerror="y">',
        '[a](http://x.example/"onclick=y)',
        '```x" onload="y\n<script>\n```',
        "| <script> | b |\n| --- | --- |\n| `<script>` | [x](javascript:y) |",
    ],
)
def test_a_source_brings_neither_elements_nor_scripts(text: str) -> None:
    page = Page(to_html(text, lambda link: link if link.startswith("http") else None))
    assert page.open == []
    assert not page.tags & {"script", "img", "b", "iframe", "object"}
    assert not any(place.lower().startswith(("javascript", "data", "vb")) for place in page.places)


def library(tmp_path: Path) -> Library:
    docs = tmp_path / "docs"
    (docs / "runbooks").mkdir(parents=True)
    (docs / "runbooks" / "use.md").write_text("# U\n## Alert\n[s](../secret.txt) [o](../o.md#x)")
    (docs / "o.md").write_text("# O\n[back](runbooks/use.md#alert) [up](../../up.md) [no](no.md)")
    (docs / "secret.txt").write_text("secret")
    (tmp_path / "up.md").write_text("secret")
    (docs / "link.md").symlink_to(tmp_path / "up.md")
    return Library(docs)


def test_links_lead_to_what_is_served_and_others_are_text(tmp_path: Path) -> None:
    found = library(tmp_path)
    assert sorted(found.files()) == ["/docs/o", "/runbooks/use"]
    assert Page(found.show("/runbooks/use") or "").places[len(FRAME) :] == ["/docs/o#x"]
    text = found.show("/docs/o") or ""
    assert Page(text).places[len(FRAME) :] == ["/runbooks/use#alert"]
    assert "up" in text and "no" in text


@pytest.mark.parametrize(
    "path",
    [
        "/runbooks/../../up",
        "/runbooks/..%2f..%2fup",
        "/runbooks/%2e%2e/o",
        "/docs/../docs/o",
        "/docs/secret.txt",
        "/docs/secret",
        "/docs/link",
        "/docs/o.md",
        "/docs//o",
        "/docs/o/",
        "/docs/O\x00",
        "//docs/o",
        "/docs/",
        "/runbooks/none",
        "/etc/passwd",
    ],
)
def test_no_path_leads_out_of_what_is_served(tmp_path: Path, path: str) -> None:
    assert library(tmp_path).show(path) is None


def test_a_folder_without_runbooks_says_what_to_set(tmp_path: Path) -> None:
    assert "ALERTLOG_DOCS" in Library(tmp_path / "none").index()


def test_pages_come_with_a_policy_that_runs_nothing() -> None:
    with listening(server := build(settings(), port=0)):
        status, text, headers = ask(server.server_port, "GET", "/runbooks/use")
        moved = ask(server.server_port, "GET", "/runbooks")
        lost = ask(server.server_port, "GET", "/runbooks/%2e%2e/conventions")
    assert status == 200
    assert Page(text).tags.isdisjoint({"script", "img", "link", "iframe"})
    assert f"<style>{STYLE}</style>" in text
    assert headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY and POLICY.startswith("default-src 'none'; style-src 'sha256-")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert (moved[0], moved[2]["Location"]) == (308, "/runbooks/")
    assert lost[0] == 404


def test_a_note_for_programs_is_not_shown() -> None:
    shown = to_html("<!-- run: it -->\n```sh\nmake x # <!-- kept -->\n```\n", lambda link: link)
    assert "run: it" not in shown and "make x # &lt;!-- kept --&gt;" in shown
