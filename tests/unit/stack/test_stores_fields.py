"""Types of a record's fields by its name: both log stores hand out text."""

import pytest

from stack.stores.fields import typed
from stack.stores.protocol import Value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("silent_seconds", "20.5", 20.5),
        ("engine_requests", "250", 250),
        ("traces", "2", 2),
        ("trace_ids", '["412dab22", "9cec1f8d"]', ["412dab22", "9cec1f8d"]),
        ("silent_processes", "[]", []),
        ("trace_ids", "cut off", "cut off"),
        ("trace_id", "12345678", "12345678"),
        ("caller_request_id", "12345678", "12345678"),
        ("caller_request_id", "true", "true"),
        ("stream", "true", True),
        ("started_unix_seconds", "1795832421.9794774", 1795832421.9794774),
        ("reason", "2", "2"),
    ],
)
def test_a_field_is_what_its_writer_had(name: str, text: str, value: Value) -> None:
    found = typed(name, text)
    assert (found, type(found)) == (value, type(value))
