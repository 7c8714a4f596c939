"""A simulated engine: arrivals, chunked prefill, preemption, aborts, batches ahead."""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.engine_core.step_meter import StepMeter
from server.engine_core.step_model import Coefficients, StepModel
from server.wire.report import Report, Settlement

CHUNK, ROOM = 64, 6


@dataclass
class Request:
    """As the scheduler's: `num_computed_tokens` runs ahead by what is in flight."""

    request_id: str
    num_prompt_tokens: int
    answer: int
    num_computed_tokens: int = 0
    output: int = 0
    in_flight: int = 0
    high: int = 0
    running: bool = False

    @property
    def known(self) -> int:
        """Tokens that can be computed now: the prompt, the answer so far and what is awaited."""
        return self.num_prompt_tokens + self.output + self.in_flight


@dataclass
class Step:
    tokens: dict[str, int]
    kv: dict[str, int]
    prefill: dict[str, int]


@dataclass
class Engine:
    """Runs a StepMeter through a random schedule, `ahead` batches in flight."""

    seed: int
    ahead: int = 1
    truth: Coefficients = (4e6, 40e3, 300e3, 500.0)
    noise: float = 0.1
    stalls: float = 0.0
    now: int = 10**12
    requests: dict[str, Request] = field(default_factory=dict)
    steps: deque[Step] = field(default_factory=deque)
    finished: set[str] = field(default_factory=set)
    reports: list[Report] = field(default_factory=list)
    made: int = 0
    measured: list[tuple[Step, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.origin = self.now
        self.meter = StepMeter(StepModel(), self.now)

    def run(self, steps: int) -> None:
        """Schedule and end so many steps."""
        for _ in range(steps):
            self.turn()

    def drain(self) -> None:
        """Abort what is left and let the last steps end."""
        self.abort_all()
        for _ in range(self.ahead + 2):
            self.turn(arrivals=False)

    def abort_all(self) -> None:
        for request in list(self.requests.values()):
            self.finish(request)

    def turn(self, arrivals: bool = True) -> None:
        if arrivals:
            self._arrive()
            self._abort()
        if not self.requests and not self.steps and self.dice.random() < 0.5:
            self.now += self.dice.randrange(10**9)
        self._schedule()
        while len(self.steps) >= self.ahead:
            self._end_step()

    def _arrive(self) -> None:
        for _ in range(self.dice.choice((0, 0, 0, 1, 1, 3))):
            self.made += 1
            request = Request(f"r{self.made}", self.dice.randint(1, 300), self.dice.randint(1, 40))
            request.num_computed_tokens = self.dice.choice((0, 0, request.num_prompt_tokens // 2))
            self.requests[request.request_id] = request

    def _abort(self) -> None:
        if self.requests and self.dice.random() < 0.1:
            self.finish(self.dice.choice(list(self.requests.values())))

    def finish(self, request: Request) -> None:
        self.finished.add(request.request_id)
        del self.requests[request.request_id]

    def _preempt(self) -> None:
        running = [r for r in self.requests.values() if r.running and not r.in_flight]
        if running and self.dice.random() < 0.08:
            victim = self.dice.choice(running)
            victim.high = max(victim.high, victim.num_computed_tokens)
            victim.num_computed_tokens = 0
            victim.running = False

    def _schedule(self) -> None:
        self.meter.begin(self.now)
        self.now += self.dice.randrange(200_000)
        self._preempt()
        step, entering = Step({}, {}, {}), []
        for request in list(self.requests.values())[:ROOM]:
            added = min(request.known - request.num_computed_tokens, CHUNK)
            if added <= 0 or self.dice.random() < 0.1:
                continue
            if not request.running:
                entering.append(request.request_id)
                request.running = True
            before = request.num_computed_tokens
            bound = max(request.num_prompt_tokens, request.high)
            step.tokens[request.request_id] = added
            step.prefill[request.request_id] = min(max(bound - before, 0), added)
            request.num_computed_tokens += added
            step.kv[request.request_id] = request.num_computed_tokens
            if request.num_computed_tokens == request.known:
                request.in_flight += 1
        self.meter.scheduled(self.now, step.tokens, entering, self.requests, self.finished)
        self.finished = set()
        self.steps.append(step)

    def _end_step(self) -> None:
        step = self.steps.popleft()
        if step.tokens:
            took = round(self.length(step) * self.dice.uniform(1 - self.noise, 1 + self.noise))
            took += 10**10 if self.dice.random() < self.stalls else 0
            self.measured.append((step, took))
            self.now += took
        for request_id in step.tokens:
            request = self.requests.get(request_id)
            if request is not None and request.in_flight:
                request.in_flight -= 1
                request.output += 1
                if request.output >= request.answer:
                    self.finish(request)
        self.meter.done(self.now, step.tokens, self.finished, bool(self.requests))
        self.reports.append(self.meter.report())

    def length(self, step: Step) -> float:
        """Nanoseconds that the step truly takes."""
        base, prefill, decode, kv = self.truth
        computed = sum(step.prefill.values())
        answered = sum(step.tokens.values()) - computed
        return base + prefill * computed + decode * answered + kv * sum(step.kv.values())

    def settlements(self) -> Iterator[Settlement]:
        return (settlement for report in self.reports for settlement in report.settlements)
