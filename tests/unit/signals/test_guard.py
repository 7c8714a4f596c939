"""Every hook has its counter before it can fail."""

import ast
import asyncio
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from server.signals import hook_errors
from server.signals.hook_errors import guarded
from tests.unit.helpers import delta

SERVER = Path(hook_errors.__file__).parent


def _names(path: Path) -> set[str]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.args]
    hooks = [call.args[0] for call in named if call.func.id in ("guarded", "failed")]
    return {hook.value for hook in hooks if isinstance(hook, ast.Constant)}


def test_the_list_of_hooks_is_what_the_code_guards() -> None:
    used = set().union(*(_names(path) for path in SERVER.parent.rglob("*.py")))
    assert used == set(hook_errors.HOOKS)


def test_each_hook_has_a_series_before_its_first_error() -> None:
    hook_errors.create_label_sets()
    for hook in hook_errors.HOOKS:
        assert REGISTRY.get_sample_value("llm_observer_errors_total", {"hook": hook}) is not None


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_ends_a_process_or_a_task_passes(end: type[BaseException]) -> None:
    counted = delta("llm_observer_errors_total", hook="red")
    with pytest.raises(end), guarded("red"):
        raise end
    assert counted() == 0


def test_a_hook_can_fail_inside_of_itself() -> None:
    counted = delta("llm_observer_errors_total", hook="red")
    reached = []
    with guarded("red"):
        with guarded("red"):
            raise ValueError
        reached.append(1)
        raise StopIteration
    assert (counted(), reached) == (2, [1])
