"""What a message says, and that nothing in a label or an annotation breaks out of it."""

import html.parser
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.receiving import ALERTMANAGER, amtool, needs_amtool

pytestmark = needs_amtool

FIRING: dict[str, Any] = {
    "status": "firing",
    "labels": {
        "alertname": "ErrorBudgetBurn",
        "severity": "critical",
        "team": "serving",
        "model": "tiny-llama",
    },
    "annotations": {
        "summary": "tiny-llama answers with errors",
        "description": "Its budget of 30 days is gone in 2. Look at the RED board first.",
        "value": "12.5 %",
        "threshold": "1.44 %",
        "dashboard_url": "http://127.0.0.1:3000/d/llm-red?var-model=tiny-llama",
        "runbook_url": "http://127.0.0.1:9095/runbooks/slo#errorbudgetburn",
        "exemplars": 'x_bucket{job="llm-server", model="tiny-llama", outcome=~"a|b"}',
    },
    "startsAt": "2026-11-23T20:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
}
STARTED = 1795464000
RESOLVED = {**FIRING, "status": "resolved", "endsAt": "2026-11-23T20:05:03Z"}
NASTY = (
    "<!channel> <@U1> \n\r\u2028\u202e &amp; `rm` ```\n</td><script>alert(1)</script>"
    "\"' onclick=x |a> {{ .ExternalURL }} %s $1 \\ # & ?"
)
HOSTILE = {
    **FIRING,
    "labels": {**FIRING["labels"], "model": NASTY, "instance": NASTY, "alertname": NASTY},
    "annotations": {
        "summary": NASTY,
        "description": NASTY,
        "value": NASTY,
        "threshold": NASTY,
        "dashboard_url": f"http://127.0.0.1:3000/d/llm-red?var-model={NASTY}",
        "runbook_url": f"http://127.0.0.1:9095/runbooks/slo#{NASTY}",
        "exemplars": f'x_bucket{{model="{NASTY}"}}',
    },
}
SCRIPTED = {
    **FIRING,
    "annotations": {
        "summary": "s",
        "dashboard_url": "javascript:alert(1)",
        "runbook_url": "data:text/html,x",
    },
}
BARE = {**FIRING, "labels": {"alertname": "Bare"}, "annotations": {}}
PLAIN = (
    "slack.title",
    "slack.text",
    "slack.link",
    "slack.colour",
    "email.subject",
    "email.text",
    "pagerduty.summary",
    "pagerduty.source",
    "pagerduty.what",
    "pagerduty.how_bad",
    "pagerduty.since",
    "pagerduty.first_step",
    "alert.name",
    "alert.team",
)


def said(folder: Path, name: str, *alerts: dict[str, Any], kind: str = "text") -> str:
    return render(folder, f'{{{{ template "{name}" . }}}}', *alerts, kind=kind)


def render(folder: Path, text: str, *alerts: dict[str, Any], kind: str = "text") -> str:
    statuses = {alert["status"] for alert in alerts}
    data = {
        "receiver": "r",
        "status": "firing" if "firing" in statuses else "resolved",
        "alerts": alerts,
        "externalURL": "http://127.0.0.1:9093",
    }
    file = folder / "data.json"
    file.write_text(json.dumps(data))
    return amtool(
        "template",
        "render",
        f"--template.glob={ALERTMANAGER}/templates/*.tmpl",
        f"--template.text={text}",
        f"--template.type={kind}",
        f"--template.data={file}",
    )


def url_of(folder: Path, name: str, alert: dict[str, Any]) -> str:
    text = said(folder, "email.text", alert)
    found = re.search(rf"^  {name}: +(\S*)$", text, re.M)
    return found.group(1) if found else ""


class Page(html.parser.HTMLParser):
    """What a browser would make of the message: its tags, its links and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: dict[str, str] = {}
        self.handlers: list[str] = []
        self.text = ""
        self._href = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name not in ("style", "href")]
        self._href = dict(attrs).get("href") or ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._href:
            self.links[data], self._href = self._href, ""


def test_slack_says_what_how_bad_since_when_and_where(tmp_path: Path) -> None:
    title = said(tmp_path, "slack.title", FIRING)
    assert title == "CRITICAL ErrorBudgetBurn: tiny-llama answers with errors"
    lines = said(tmp_path, "slack.text", FIRING).splitlines()
    assert lines[0] == "12.5 %, threshold 1.44 %, since 2026-11-23 20:00:00 UTC"
    assert lines[1] == FIRING["annotations"]["description"]
    words = re.findall(r"<(http://127\.0\.0\.1:\S+)\|([^>]+)>", lines[2])
    assert [word for _, word in words] == ["Board", "Worst trace", "Logs", "Runbook"]
    assert len(lines) == 3
    assert said(tmp_path, "slack.colour", FIRING) == "danger"


def test_the_end_says_how_long_it_lasted(tmp_path: Path) -> None:
    assert said(tmp_path, "slack.title", RESOLVED).startswith("RESOLVED ErrorBudgetBurn: ")
    lasted = "lasted 5m 3s, 2026-11-23 20:00:00 to 2026-11-23 20:05:03 UTC"
    assert lasted in said(tmp_path, "slack.text", RESOLVED)
    assert said(tmp_path, "pagerduty.since", RESOLVED) == lasted
    assert lasted in said(tmp_path, "email.html", RESOLVED, kind="html")
    assert said(tmp_path, "email.subject", RESOLVED).startswith("[RESOLVED] ErrorBudgetBurn")
    assert said(tmp_path, "slack.colour", RESOLVED) == "good"


OVER_WARNING = {
    **RESOLVED,
    "labels": {
        "alertname": "SomethingMild",
        "severity": "warning",
        "team": "cost",
        "model": "elsewhere",
        "instance": "elsewhere:9464",
    },
    "annotations": {
        "summary": "elsewhere is well again",
        "description": "elsewhere",
        "value": "elsewhere",
        "dashboard_url": "http://127.0.0.1:3000/d/elsewhere",
        "runbook_url": "http://127.0.0.1:9095/runbooks/elsewhere#x",
        "exemplars": "elsewhere",
    },
}
"""Alertmanager sorts by labels, so one that is over may stand first."""
HEADS = [name for name in PLAIN if name not in ("slack.text", "email.text")]


@pytest.mark.parametrize("name", HEADS)
def test_the_head_of_a_message_is_what_fires_now(tmp_path: Path, name: str) -> None:
    alone = said(tmp_path, name, FIRING)
    assert said(tmp_path, name, OVER_WARNING, FIRING) == alone


def test_the_links_of_a_page_are_those_of_what_fires_now(tmp_path: Path) -> None:
    text = (ALERTMANAGER / "receivers" / "pagerduty.yaml").read_text()
    links = re.findall(r"href: '(.+?)'", text)
    assert len(links) == 4
    for link in links:
        alone = render(tmp_path, link, FIRING)
        assert alone and render(tmp_path, link, OVER_WARNING, FIRING) == alone


@pytest.mark.parametrize("name", HEADS)
def test_a_message_without_alerts_is_no_error(tmp_path: Path, name: str) -> None:
    assert "no value" not in said(tmp_path, name)


def test_the_board_shows_the_hour_before_and_all_since(tmp_path: Path) -> None:
    asked = parse_qs(urlsplit(url_of(tmp_path, "board", FIRING)).query)
    start = str((STARTED - 3600) * 1000)
    assert asked == {"var-model": ["tiny-llama"], "from": [start], "to": ["now"]}
    over = parse_qs(urlsplit(url_of(tmp_path, "board", RESOLVED)).query)
    assert (over["from"], over["to"]) == ([start], [str((STARTED + 303) * 1000)])
    notes = {**FIRING["annotations"], "dashboard_url": "http://127.0.0.1:3000/d/llm-use"}
    plain = url_of(tmp_path, "board", {**FIRING, "annotations": notes})
    assert plain == f"http://127.0.0.1:3000/d/llm-use?from={start}&to=now"


@pytest.mark.parametrize("alert", [FIRING, HOSTILE], ids=["plain", "hostile"])
def test_trace_and_logs_are_asked_for_in_the_alerts_own_words(
    tmp_path: Path, alert: dict[str, Any]
) -> None:
    trace = urlsplit(url_of(tmp_path, "worst trace", alert))
    assert (trace.netloc, trace.path, trace.fragment) == ("127.0.0.1:9095", "/trace", "")
    selector = alert["annotations"]["exemplars"]
    assert parse_qs(trace.query) == {"selector": [selector], "at": [str(STARTED)]}
    logs = urlsplit(url_of(tmp_path, "logs", alert))
    assert (logs.netloc, logs.path, logs.fragment) == ("127.0.0.1:9095", "/logs", "")
    assert parse_qs(logs.query) == {"at": [str(STARTED)], "model": [alert["labels"]["model"]]}


def test_without_exemplars_there_is_no_link_to_a_trace(tmp_path: Path) -> None:
    notes = {key: text for key, text in FIRING["annotations"].items() if key != "exemplars"}
    alert = {**FIRING, "annotations": notes}
    for name in ("slack.text", "email.text"):
        assert "race" not in said(tmp_path, name, alert)
    assert "race" not in said(tmp_path, "email.html", alert, kind="html")


@pytest.mark.parametrize("name", PLAIN)
def test_a_hostile_text_stays_in_its_line(tmp_path: Path, name: str) -> None:
    hostile, plain = said(tmp_path, name, HOSTILE), said(tmp_path, name, FIRING)
    assert hostile.count("\n") == plain.count("\n")
    assert not re.search(r"[\r\x00-\x08\u2028\u202e]", hostile)
    assert ":9093" not in hostile


def test_slack_takes_nothing_for_a_mention_a_link_or_code(tmp_path: Path) -> None:
    for name in ("slack.title", "slack.text"):
        text = said(tmp_path, name, HOSTILE)
        ours = r"<http://127\.0\.0\.1:\d+/[^<>|\s\"'`]*\|(Board|Worst trace|Logs|Runbook)>"
        rest = re.sub(ours, "", text)
        assert not re.search(r"[<>`]", rest), rest
        assert "&lt;!channel&gt;" in rest
    assert len(re.findall(ours, text)) == 4
    assert not re.search(r"[<>|\"'`\s]", said(tmp_path, "slack.link", HOSTILE))


def test_a_mail_holds_our_tags_and_links_only(tmp_path: Path) -> None:
    page = Page(said(tmp_path, "email.html", HOSTILE, kind="html"))
    plain = Page(said(tmp_path, "email.html", FIRING, kind="html"))
    assert page.tags == plain.tags == {"html", "body", "h3", "p", "b", "a"}
    assert page.handlers == plain.handlers == []
    assert list(page.links) == list(plain.links) == ["Board", "Worst trace", "Logs", "Runbook"]
    assert all(link.startswith("http://127.0.0.1:") for link in page.links.values())
    assert "<script>alert(1)</script>" in page.text
    asked = parse_qs(urlsplit(page.links["Worst trace"]).query)
    assert asked["selector"] == [HOSTILE["annotations"]["exemplars"]]
    board = parse_qs(urlsplit(plain.links["Board"]).query)
    assert (board["var-model"], board["to"]) == (["tiny-llama"], ["now"])


def test_a_link_of_another_scheme_is_none(tmp_path: Path) -> None:
    for name in ("slack.text", "slack.link", "email.text"):
        assert not re.search("javascript|data:", said(tmp_path, name, SCRIPTED))
    page = Page(said(tmp_path, "email.html", SCRIPTED, kind="html"))
    assert list(page.links) == ["Logs"]


@pytest.mark.parametrize("name", [*PLAIN, "email.html"])
def test_an_alert_without_annotations_is_still_a_message(tmp_path: Path, name: str) -> None:
    kind = "html" if name == "email.html" else "text"
    assert "<no value>" not in said(tmp_path, name, BARE, kind=kind)


@pytest.mark.parametrize(("name", "most"), [("slack.text", 5), ("email.text", 20)])
def test_a_flood_is_cut_and_says_so(tmp_path: Path, name: str, most: int) -> None:
    text = said(tmp_path, name, *[FIRING] * 50)
    assert text.count("12.5 %") == most
    assert f"The first {most} of 50; all of them: " in text
    assert "×50" in said(tmp_path, "slack.title", *[FIRING] * 50)


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    notes = {**FIRING["annotations"], "summary": "ä" * 5000}
    title = said(tmp_path, "slack.title", {**FIRING, "annotations": notes})
    assert title.endswith("ä…") and len(title) < 700
