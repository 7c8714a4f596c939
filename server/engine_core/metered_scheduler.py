"""vLLM's schedulers with a meter: the engine core is where it is known who was in which step.

One class for synchronous and one for asynchronous scheduling: vLLM switches the latter off for a
subclass of the former, which would slow GPUs.
"""

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from vllm.platforms import current_platform
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutputs
from vllm.v1.outputs import ModelRunnerOutput

from server.engine_core.step_meter import StepMeter
from server.engine_core.step_model_file import StepModelFile
from server.settings import read_settings
from server.wire.report import KEY, Report, encode

_log = logging.getLogger("server.engine_core.metered_scheduler")


def device_name() -> str:
    """The accelerator's name as the price file knows it: `cpu`, `NVIDIA H100 80GB HBM3`, ..."""
    return str(current_platform.get_device_name() or current_platform.device_type)


class _Metered:
    """What both schedulers add; vLLM's own work is never touched, whatever happens to the meter."""

    _meter: StepMeter | None = None
    _fault = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard(self._start)

    def schedule(self, throttle_prefills: bool = False) -> SchedulerOutput:
        """As vLLM's; notes what is in the step."""
        if self._meter is not None:
            self._guard(self._meter.begin, time.monotonic_ns())
        output = super().schedule(throttle_prefills)  # type: ignore[misc]
        if self._meter is not None:
            self._guard(self._scheduled, self._meter, output)
        return output

    def update_from_output(
        self, scheduler_output: SchedulerOutput, model_runner_output: ModelRunnerOutput
    ) -> dict[int, EngineCoreOutputs]:
        """As vLLM's; shares the step's time and sends the books along with the tokens."""
        outputs = super().update_from_output(  # type: ignore[misc]
            scheduler_output, model_runner_output
        )
        if self._meter is not None:
            self._guard(self._done, self._meter, scheduler_output)
        self._guard(self._tell, outputs)
        return outputs

    def _start(self) -> None:
        settings = read_settings(os.environ)
        model = str(self.vllm_config.model_config.model)  # type: ignore[attr-defined]
        self._file = StepModelFile(settings.state_dir, device_name(), model)
        self._meter = StepMeter(self._file.load(), time.monotonic_ns())
        self._log_model("step_model_start")

    def _scheduled(self, meter: StepMeter, output: SchedulerOutput) -> None:
        new = (request.req_id for request in output.scheduled_new_reqs)
        entering = [*new, *output.scheduled_cached_reqs.resumed_req_ids]
        requests = self.requests  # type: ignore[attr-defined]
        tokens = output.num_scheduled_tokens
        finished = output.finished_req_ids
        meter.scheduled(time.monotonic_ns(), tokens, entering, requests, finished)

    def _done(self, meter: StepMeter, output: SchedulerOutput) -> None:
        finished = self.finished_req_ids  # type: ignore[attr-defined]
        busy = self.has_unfinished_requests()  # type: ignore[attr-defined]
        tokens = output.num_scheduled_tokens
        if meter.done(time.monotonic_ns(), tokens, finished, busy):
            self._file.save(meter.model.coefficients)
            self._log_model("step_model_adopted")

    def _tell(self, outputs: dict[int, EngineCoreOutputs]) -> None:
        if self._meter is not None and not self._meter.has_news:
            return
        stats = next((out.scheduler_stats for out in outputs.values() if out.scheduler_stats), None)
        if stats is None:
            return
        now = time.monotonic_ns()
        report = (
            Report(0, now, 0, 0, 0, 0, None, self._fault, ())
            if self._meter is None
            else self._meter.report()
        )
        stats.kv_connector_stats = {**(stats.kv_connector_stats or {}), KEY: encode(report)}

    def _guard(self, hook: Callable[..., None], *args: object) -> None:
        try:
            hook(*args)
        except Exception as error:
            # From here on shares would be guesses: the ledger books the time as lost.
            self._meter = None
            self._fault = self._fault or f"{type(error).__name__} in {hook.__name__}"
            _log.exception("device time is no longer accounted for; serving goes on")

    def _log_model(self, event: str) -> None:
        if self._meter is not None:
            model = self._meter.model
            names = ("step_ns", "prefill_token_ns", "decode_token_ns", "kv_token_ns")
            values = dict(zip(names, model.coefficients, strict=True))
            _log.info("%s version=%d fitted=%s %s", event, model.version, model.fitted, values)


class MeteredScheduler(_Metered, Scheduler):
    """vLLM's synchronous scheduler with a meter."""


class MeteredAsyncScheduler(_Metered, AsyncScheduler):
    """vLLM's asynchronous scheduler, which runs a step ahead, with a meter."""
