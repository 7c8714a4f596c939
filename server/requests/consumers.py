"""Who is told of a request that is over: spans, RED, cost and logs, each by itself."""

import time

from server.pricing.request_cost import CostTracker
from server.record.request import Outcome
from server.requests.endings import Ending
from server.requests.live_request import CURRENT
from server.signals import logs, red
from server.signals.hook_errors import guarded
from server.signals.tracing import Tracing


class Consumers:
    """Hands an ending to each; `last_record` is when, monotonic seconds, and no probe counts."""

    def __init__(self, tracing: Tracing, costs: CostTracker) -> None:
        self._tracing = tracing
        self._costs = costs
        self.last_record = 0.0

    def record(self, ending: Ending) -> None:
        """Have each record the request; may be called from any thread, and raises nothing."""
        # A line that is logged meanwhile, by a hook that fails, belongs to this request.
        token = CURRENT.set(ending.live)
        try:
            self._consume(ending)
            self._explain(ending)
            self.last_record = self.last_record if ending.probe else time.monotonic()
        finally:
            CURRENT.reset(token)

    def _consume(self, ending: Ending) -> None:
        record, cost = ending.record, ending.cost
        with guarded("tracing"):
            self._tracing.finish(ending.live.span, record, cost)
        if ending.probe:
            return
        with guarded("red"):
            red.observe(record)
        with guarded("cost_metrics"):
            self._costs.observe(record, cost)
        with guarded("logs"):
            logs.request_finished(record, cost, ending.at)

    def _explain(self, ending: Ending) -> None:
        record, failure = ending.record, ending.live.failure
        # What is refused for being too much at once says so by its reason, a thousand times.
        if record.outcome is not Outcome.SERVER_ERROR or record.reason == "overloaded":
            return
        with guarded("logs"):
            if failure is not None:
                logs.request_failed(record, failure, ending.at)
