"""Every request fails, with the shipped windows: after how long ErrorBudgetBurn pages.

    LLM_SERVER_DEADLINE_SECONDS=2 make up         # what runs longer ends as a failure of ours
    python -m tests.bench.outage                  # 24 callers, who all ask for longer answers

It prints the seconds from the first request to the alert at alertlog, and ends with 1 after five
minutes without it. What was served well in the hour before counts, as it does in life.
"""

import json
import sys
import time
import urllib.request
from typing import Any

from stack.drills.traffic import Asked, Traffic
from stack.http import get_json

WITHIN_SECONDS = 300
ALERTLOG = "http://127.0.0.1:9095/alerts"
CALLERS, ANSWER = 24, Asked(tokens_in=8, tokens_out=1900)


def model() -> str:
    """What the server calls its model."""
    found = get_json("http://127.0.0.1:8000/v1/models")
    assert found is not None, "the server does not answer: make up"
    return str(found["data"][0]["id"])


def arrived() -> dict[str, Any] | None:
    """The page about availability, once alertlog has it."""
    with urllib.request.urlopen(ALERTLOG, timeout=10) as answer:
        states = json.loads(answer.read())["alerts"]
    for state in states:
        labels = state["labels"]
        wanted = ("ErrorBudgetBurn", "availability", "critical")
        if tuple(labels.get(name) for name in ("alertname", "objective", "severity")) == wanted:
            return dict(state) if state["status"] == "firing" else None
    return None


def main() -> int:
    """Return 0 when the page came within five minutes."""
    assert arrived() is None, "it fires already"
    began = time.monotonic()
    with Traffic(model(), ANSWER, pause=0.1, key="").running(CALLERS) as traffic:
        while (seconds := time.monotonic() - began) < WITHIN_SECONDS:
            if found := arrived():
                print(f"paged after {seconds:.0f} s: {found['annotations']['summary']}")
                print(f"answers by status: {dict(traffic.ended)}")
                return 0
            time.sleep(1)
    print(f"not paged within {WITHIN_SECONDS} s; answers by status: {dict(traffic.ended)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
