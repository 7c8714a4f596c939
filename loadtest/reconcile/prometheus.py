"""What Prometheus keeps of the server's processes and counters."""

from typing import Any
from urllib.parse import urlencode

from loadtest.reconcile.tally import COUNTERS
from stack.evidence.scrape import Sample
from stack.http import get_json
from stack.request.signals import PROMETHEUS

_JOB = 'job="llm-server"'


class Prometheus:
    """The Scrapes of the running Prometheus."""

    def __init__(self, url: str = PROMETHEUS) -> None:
        self._url = url

    def _ask(self, query: str, moment: float) -> list[Any] | None:
        asked = urlencode({"query": query, "time": f"{moment:.3f}"})
        answer = get_json(f"{self._url}/api/v1/query?{asked}", 30.0)
        return None if answer is None else list(answer["data"]["result"])

    def starts(self, begin: float, end: float) -> list[tuple[float, float]] | None:
        """(Unix time of the scrape, start of the process) by time, None without an answer."""
        seconds = max(1, round(end - begin))
        found = self._ask(f"process_start_time_seconds{{{_JOB}}}[{seconds}s]", end)
        if found is None:
            return None
        return sorted((float(at), float(of)) for each in found for at, of in each["values"])

    def counters(self, moment: float) -> list[Sample] | None:
        """The server's counters as last scraped at a Unix time, None where there are none."""
        # A little later than the scrape, whose own milliseconds a rounded time could cut off.
        found = self._ask(f'{{__name__=~"{"|".join(COUNTERS)}",{_JOB}}}', moment + 0.001)
        if not found:
            return None
        return [
            Sample(each["metric"]["__name__"], dict(each["metric"]), float(each["value"][1]))
            for each in found
        ]
