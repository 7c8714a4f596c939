"""The links of a message: from an alert's own words to the page of a trace or of log records."""

import math
import time
from urllib.parse import parse_qs

from alertmanager.pages import Pages, Window
from alertmanager.worst import (
    BEFORE_SECONDS,
    MAX_SELECTOR,
    Exemplar,
    UnansweredError,
    Worst,
    is_selector,
)

MAX_MODEL = 256
WEEK_SECONDS = 7 * 86400.0
LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""


class RefusedError(Exception):
    """A query that cannot be meant; the text says what would do."""


class NothingError(Exception):
    """A question whose answer is that there is nothing: why, and what to do."""

    def __init__(self, why: str, fix: str, status: int = 404) -> None:
        super().__init__(why)
        self.why, self.fix, self.status = why, fix, status


class Query:
    """The parameters of a link, each of them checked as it is read."""

    def __init__(self, text: str) -> None:
        try:
            self._fields = parse_qs(text, keep_blank_values=True, max_num_fields=10)
        except ValueError as error:
            raise RefusedError("at most ten parameters") from error

    def text(self, name: str) -> str:
        """A parameter, empty where it is not given."""
        given = self._fields.get(name, [""])
        if len(given) > 1:
            raise RefusedError(f"{name} may be given once")
        return given[0]

    def moment(self, name: str, default: float | None = None) -> float:
        """A parameter that is a Unix time in seconds."""
        given = self.text(name)
        if not given and default is not None:
            return default
        try:
            moment = float(given)
        except ValueError:
            moment = math.nan
        if not 0 <= moment <= LAST_SECOND:
            raise RefusedError(f"{name} must be a Unix time in seconds, such as 1795809600")
        return moment


class Links:
    """Finds the page; `worst` None asks nobody. Raises RefusedError and NothingError."""

    def __init__(self, pages: Pages, worst: Worst | None) -> None:
        self._pages = pages
        self._worst = worst

    def trace(self, query: Query) -> str:
        """The page of the worst request that the selector knows of."""
        selector, at = query.text("selector"), query.moment("at")
        until = query.moment("until", max(at, time.time()))
        if not is_selector(selector):
            like = f'name{{label="value"}}, of at most {MAX_SELECTOR} characters'
            raise RefusedError(f"selector must be a plain one, {like}")
        _check_order(at, until)
        found = self._found(selector, at, until)
        page = self._pages.trace(found)
        if not page:
            why = f"The trace is {found.trace_id}, but alertlog was told of no page for traces."
            fix = "Set ALERTLOG_GRAFANA_URL, ALERTLOG_TEMPO_URL or ALERTLOG_JAEGER_URL."
            raise NothingError(why, fix)
        return page

    def _found(self, selector: str, at: float, until: float) -> Exemplar:
        if self._worst is None:
            why = "alertlog was told of no Prometheus, and so knows no exemplars."
            raise NothingError(why, "Set ALERTLOG_PROMETHEUS_URL and start it again.")
        try:
            found = self._worst.find(selector, at, until)
        except UnansweredError as error:
            fix = "See `make status` and `make logs PART=prometheus`, then load this page again."
            raise NothingError(f"{error}.", fix, status=502) from error
        if found is None:
            why = f"No request has left an exemplar for {selector} in that time."
            raise NothingError(why, "Look at the board that the alert names, or at its logs.")
        return found

    def logs(self, query: Query) -> str:
        """The page of what the server logged around a moment."""
        at, model, now = query.moment("at"), query.text("model"), time.time()
        until = query.moment("until", max(at, min(now, at + BEFORE_SECONDS)))
        if len(model) > MAX_MODEL or not model.isprintable():
            raise RefusedError(f"model must be a name of at most {MAX_MODEL} characters")
        _check_order(at, until)
        return self._logged(self._pages.logs(model, Window(max(0.0, at - BEFORE_SECONDS), until)))

    def alerts(self, query: Query) -> str:
        """The page of the alerts that were logged in the week before a moment, which is now."""
        at = query.moment("at", time.time())
        return self._logged(self._pages.alerts(Window(max(0.0, at - WEEK_SECONDS), at)))

    def _logged(self, page: str) -> str:
        if not page:
            why = "alertlog was told of no page for log records."
            fix = "Set ALERTLOG_GRAFANA_URL, ALERTLOG_LOKI_URL or ALERTLOG_VICTORIALOGS_URL."
            raise NothingError(why, fix)
        return page


def _check_order(at: float, until: float) -> None:
    if until < at:
        raise RefusedError("until must not lie before at")
