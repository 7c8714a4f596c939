"""An hour of load on a healthy stack: which alerts fired, and how often `/ready` said no.

    python -m tests.bench.healthy                 # mixed load, 2 visits a second, an hour
    python -m tests.bench.healthy 60 20           # minutes, visits a second: 20 is saturation here

Healthy means that nothing but Watchdog fires. Saturation may raise alerts about itself; that it
does not make `/ready` say no is what it is run for. The stack must be up.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from urllib.parse import quote

from stack.http import get_json
from tests.conftest import REPO

READY = "http://127.0.0.1:8000/ready"
FIRING = 'ALERTS{alertstate="firing",alertname!="Watchdog"}'
LOOK_SECONDS = 1.0


def is_ready() -> bool:
    """What a load balancer would be told now."""
    try:
        with urllib.request.urlopen(READY, timeout=10) as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False


def fired(minutes: float) -> list[tuple[str, float]]:
    """Each alert that fired since then, and for how many minutes."""
    query = f"count_over_time({FIRING}[{60 * minutes:.0f}s:15s])"
    answer = get_json(f"http://127.0.0.1:9090/api/v1/query?query={quote(query)}")
    assert answer is not None, "Prometheus does not answer"
    rows = answer["data"]["result"]
    return [(str(row["metric"]), float(row["value"][1]) / 4) for row in rows]


def watch(load: subprocess.Popen[bytes], began: float) -> Counter[bool]:
    """Ask `/ready` every second until the load is over, with a line each minute."""
    seen: Counter[bool] = Counter()
    while load.poll() is None:
        seen[is_ready()] += 1
        if sum(seen.values()) % 60 == 0:
            alerts = [name for name, _ in fired((time.monotonic() - began) / 60)]
            print(f"{(time.monotonic() - began) / 60:5.1f} min, {seen[False]} not ready, {alerts}")
        time.sleep(LOOK_SECONDS)
    return seen


def main() -> int:
    """Return 0 when nothing fired and `/ready` never said no."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    rate = sys.argv[2] if len(sys.argv) > 2 else "2"
    env = {**os.environ, "RATE": rate, "DURATION": f"{60 * minutes:g}", "SEED": "14"}
    began = time.monotonic()
    command = [sys.executable, "-m", "stack", "load"]
    with subprocess.Popen(command, cwd=REPO, env=env, stdout=subprocess.DEVNULL) as load:
        seen = watch(load, began)
    alerts = fired((time.monotonic() - began) / 60)
    print(f"/ready: {seen[True]} times yes, {seen[False]} times no")
    for name, lasted in alerts:
        print(f"fired for {lasted:.1f} min: {name}")
    print("nothing but Watchdog fired" if not alerts else f"{len(alerts)} alerts fired")
    return 1 if alerts or seen[False] else 0


if __name__ == "__main__":
    sys.exit(main())
