"""What a cause has at hand: parts, targets, traffic, the rig and the receiver."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from stack.drills.hands import Hands, wait
from stack.drills.pages import Page, serving
from stack.drills.receiver import Receiver
from stack.drills.rig import Rig
from stack.drills.traffic import Asked, Traffic
from stack.http import get_json
from stack.request.signals import PROMETHEUS
from stack.settings import Settings


@dataclass
class Scene:
    """One stack under drill; `began` is the Unix time of the cause."""

    settings: Settings
    hands: Hands
    rig: Rig
    receiver: Receiver
    began: float = 0.0
    key: str = ""
    """The API key of the drill's callers where the drill's server asks for one."""
    served: str = ""
    """What the drill's server calls its model; empty where the shipped server runs."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def model(self) -> str:
        """The name of the model that is served."""
        return self.served or self.hands.variables()["SERVED_MODEL_NAME"]

    def begin(self) -> None:
        """From now on the cause is there."""
        self.began = time.time()

    @contextmanager
    def target(self, page: Page, job: str, instance: str = "drill") -> Iterator[None]:
        """A target of the drill's own, for the block."""
        file = self.rig.extra / f"drill-{next(self._numbers)}.yaml"
        with serving(page) as address:
            group = {"targets": [address], "labels": {"job": job, "instance": instance}}
            self.rig.extra.mkdir(parents=True, exist_ok=True)
            scratch = file.with_suffix(".new")
            # JSON is YAML.
            scratch.write_text(json.dumps([group]), encoding="utf-8")
            try:
                scratch.replace(file)
                self.begin()
                yield
            finally:
                file.unlink(missing_ok=True)

    @contextmanager
    def traffic(
        self,
        asked: Asked,
        callers: int = 2,
        pause: float = 0.2,
        each_after: float = 0.0,
        key: str = "",
    ) -> Iterator[Traffic]:
        """Callers at work for the block."""
        chosen = key or self.key or self.settings.values.get("API_KEY", "")
        traffic = Traffic(self.model, asked, pause, chosen)
        with traffic.running(callers, each_after):
            yield traffic

    def total(self, promql: str) -> float:
        """The sum of what an instant query finds, 0 for nothing."""
        answer = get_json(f"{PROMETHEUS}/api/v1/query?query={quote(promql)}")
        rows = answer["data"]["result"] if answer else []
        return sum(float(row["value"][1]) for row in rows)

    def wait_total(self, what: str, promql: str, limit: float = 120.0) -> None:
        """Wait until a query finds more than 0; raises Fault after so many seconds."""
        wait(what, lambda: self.total(promql) > 0, limit)
