"""The price file: each malformed one names file, entry, key and fix."""

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from server.cost import Price, read_prices
from server.settings import SettingsError
from tests.unit.helpers import write

FINE = {"model": "m", "from": "2026-01-31", "source": "s", "input": "1", "cached_input": "1",
        "output": "1"}  # fmt: skip


def _file(folder: Path, **changes: str | None) -> Path:
    entry = {key: text for key, text in {**FINE, **changes}.items() if text is not None}
    lines = "".join(f"    {key}: {text}\n" for key, text in entry.items())
    good = "".join(f"    {key}: {text}\n" for key, text in FINE.items())
    text = f"currency: USD\nprices:\n  -\n{good}  -\n{lines}"
    return write(folder, "prices.yaml", text)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    one = Price("m", datetime.date(2026, 1, 31), Decimal(1), Decimal(1), Decimal(1))
    assert read_prices(_file(tmp_path)) == (one, one)


@pytest.mark.parametrize(
    ("key", "text", "fix"),
    [
        ("model", None, "must name a model"),
        ("model", "3", "must name a model"),
        ("from", None, "must be a date such as 2026-01-31"),
        ("from", "soon", "must be a date such as 2026-01-31"),
        ("from", "2026-01-31 10:00:00", "must be a date such as 2026-01-31"),
        ("source", None, "must say where the price was read"),
        ("input", None, "must be dollars per million tokens"),
        ("input", "-1", "at least 0"),
        ("cached_input", "cheap", "must be dollars per million tokens"),
        ("output", ".inf", "must be dollars per million tokens"),
        ("output", ".nan", "must be dollars per million tokens"),
        ("output", "true", "must be dollars per million tokens"),
    ],
)
def test_a_bad_entry_names_file_entry_key_and_fix(
    tmp_path: Path, key: str, text: str | None, fix: str
) -> None:
    path = _file(tmp_path, **{key: text})
    with pytest.raises(SettingsError) as stop:
        read_prices(path)
    assert str(stop.value).startswith(f"{path}: prices[1]: {key}: ")
    assert fix in str(stop.value)


@pytest.mark.parametrize(
    ("text", "key", "fix"),
    [
        ("", "prices", "must be a list"),
        ("- 1\n", "prices", "must be a list"),
        ("currency: USD\nprices: {}\n", "prices", "must be a list"),
        ("prices: []\n", "currency", "must be USD"),
        ("currency: EUR\nprices: []\n", "currency", "must be USD"),
        ("prices: [\n", "LLM_SERVER_PRICES", "cannot be read: no YAML near line 2"),
        ("from: 2026-13-45\n", "LLM_SERVER_PRICES", "an impossible date"),
    ],
)
def test_a_bad_file_names_file_key_and_fix(tmp_path: Path, text: str, key: str, fix: str) -> None:
    path = write(tmp_path, "prices.yaml", text)
    with pytest.raises(SettingsError) as stop:
        read_prices(path)
    assert str(stop.value).startswith(f"{path}: {key}: ")
    assert fix in str(stop.value)


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"LLM_SERVER_PRICES: cannot be read: No such file"):
        read_prices(tmp_path / "none.yaml")
