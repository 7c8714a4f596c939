"""`make compare A=run1 B=run2`: what got worse from one load run to the other, and how sure."""

from stack.builds import venv
from stack.errors import Fault
from stack.settings import Settings

_USAGE = 2


def compare(settings: Settings) -> int:
    """Compare the runs by the tool in loadtest/compare; returns its status; raises Fault."""
    values = settings.values
    sides = [values.get("A", ""), values.get("B", "")]
    if not all(sides):
        raise Fault("two runs are compared", "make compare A=run1 B=run2 (A=a1,a2,a3)", _USAGE)
    form = values.get("FORMAT") or "table"
    if form not in ("table", "json"):
        raise Fault(f"FORMAT={form} is unknown", "use FORMAT=table|json", _USAGE)
    more = [f"--tolerance={values['TOLERANCE']}"] if values.get("TOLERANCE") else []
    more += ["--json"] if form == "json" else []
    more += ["--force"] if values.get("FORCE") in ("1", "yes") else []
    return venv.run_module(settings, "dev", "loadtest.compare", *more, "--", *sides)
