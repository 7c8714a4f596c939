"""The price file: each malformed one names file, entry, key and fix."""

import datetime
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.pricing.price_list import PriceList, read_prices
from server.settings import SettingsError
from tests.unit.helpers import entry, write

REPO = Path(__file__).parents[3]
FROM = datetime.date(2026, 1, 31)
GOOD: dict[str, dict[str, Any]] = {
    "prices": {"model": "m", "from": FROM, "source": "s", "input": 1, "cached_input": 1,
               "output": 1},
    "devices": {"device": "d", "from": FROM, "source": "s", "per_hour": 2},
    "rates": {"currency": "EUR", "from": FROM, "source": "s", "usd": 1.1},
}  # fmt: skip


def _file(folder: Path, section: str = "prices", **changes: Any) -> Path:
    """A good file with one more entry in the section, changed; None takes a key away."""
    more = {"from": datetime.date(2026, 2, 1)} | {k.rstrip("_"): v for k, v in changes.items()}
    second = {key: value for key, value in {**GOOD[section], **more}.items() if value is not None}
    lists = {name: [one] for name, one in GOOD.items()}
    lists[section].append(second)
    return write(folder, "prices.yaml", yaml.safe_dump({"currency": "USD", **lists}))


def _refused(path: Path) -> str:
    with pytest.raises(SettingsError) as stop:
        read_prices(path)
    return str(stop.value)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    found = read_prices(_file(tmp_path, currency="EUR", input=0.1))
    assert found == PriceList(
        (
            entry("m", "1", "1", "1", since="2026-01-31"),
            entry("m", "0.1", "1", "1", since="2026-02-01", currency="EUR"),
        ),
        (entry("d", "2", since="2026-01-31"),),
        (entry("EUR", "1.1", since="2026-01-31", currency="EUR"),),
    )


def test_the_committed_file_prices_the_cpu_and_leaves_gpus_to_their_owner() -> None:
    found = read_prices(REPO / "server" / "prices.yaml")
    assert found.device_price("cpu", FROM) is not None
    assert found.device_price("NVIDIA H100 80GB HBM3", FROM) is None


def test_headings_without_entries_are_fine(tmp_path: Path) -> None:
    path = write(tmp_path, "p.yaml", "currency: EUR\nprices: []\ndevices:\nrates:\n")
    assert read_prices(path) == PriceList()


@pytest.mark.parametrize(
    ("section", "key", "value", "fix"),
    [
        ("prices", "model", None, "must name a model or a pattern"),
        ("prices", "model", 3, "must name a model or a pattern"),
        ("prices", "model", " ", "must name a model or a pattern"),
        ("prices", "model", "other", "'other' is where everything unknown is counted"),
        ("prices", "from", None, "must be a date such as 2026-01-31"),
        ("prices", "from", "soon", "must be a date such as 2026-01-31"),
        ("prices", "from", datetime.datetime(2026, 1, 31), "must be a date such as 2026-01-31"),
        ("prices", "source", None, "must say where the price was read, by a link"),
        ("prices", "source", " ", "must say where the price was read, by a link"),
        ("prices", "input", None, "must be the price of a million tokens, at least 0"),
        ("prices", "input", -1, "must be the price of a million tokens, at least 0"),
        ("prices", "cached_input", "cheap", "must be the price of a million tokens"),
        ("prices", "output", float("inf"), "must be the price of a million tokens"),
        ("prices", "output", float("nan"), "must be the price of a million tokens"),
        ("prices", "output", 2e9, "must be the price of a million tokens"),
        ("prices", "output", True, "must be the price of a million tokens"),
        ("prices", "currency", "euro", "must be a code of three capital letters"),
        ("prices", "currency", "GBP", "`rates` has no GBP valid on 2026-02-01: add one"),
        ("prices", "cached", 1, "means nothing here; known: model, from, source, input,"),
        ("prices", "from", FROM, "prices[0] has the same model and date: delete one of them"),
        ("devices", "device", None, "must name an accelerator or a pattern, or be cpu"),
        ("devices", "per_hour", "1/h", "must be the price of one device for one hour, at least 0"),
        ("devices", "per_hour", -0.1, "must be the price of one device for one hour, at least 0"),
        ("devices", "currency", "GBP", "`rates` has no GBP valid on 2026-02-01: add one"),
        ("devices", "price", 1, "means nothing here; known: device, from, source, per_hour,"),
        ("devices", "from", FROM, "devices[0] has the same device and date: delete one of them"),
        ("rates", "currency", None, "must be a code of three capital letters"),
        ("rates", "currency", "eur", "must be a code of three capital letters"),
        ("rates", "currency", "USD", "a rate is for another currency"),
        ("rates", "source", None, "must say where the price was read"),
        ("rates", "usd", 0, "must be the dollars that one unit is worth, above 0"),
        ("rates", "usd", "one", "must be the dollars that one unit is worth, above 0"),
        ("rates", "eur", 1, "means nothing here; known: currency, from, source, usd"),
        ("rates", "from", FROM, "rates[0] has the same currency and date: delete one of them"),
    ],
)
def test_a_bad_entry_names_file_entry_key_and_fix(
    tmp_path: Path, section: str, key: str, value: Any, fix: str
) -> None:
    path = _file(tmp_path, section, **{key + "_": value})
    said = _refused(path)
    assert said.startswith(f"{path}: {section}[1]: {key}: ")
    assert fix in said


def test_a_rate_that_comes_after_the_price_does_not_count(tmp_path: Path) -> None:
    path = _file(tmp_path, currency="EUR", from_=datetime.date(2026, 1, 30))
    assert "currency: `rates` has no EUR valid on 2026-01-30: add one" in _refused(path)


def test_an_entry_that_is_no_mapping_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "p.yaml", "currency: USD\nprices: [m]\n")
    assert _refused(path) == f"{path}: prices[0]: model: must name a model or a pattern"


@pytest.mark.parametrize(
    ("text", "key", "fix"),
    [
        ("", "prices", "must be a list"),
        ("- 1\n", "prices", "must be a list"),
        ("currency: USD\n", "prices", "must be a list"),
        ("currency: USD\nprices: {}\n", "prices", "must be a list"),
        ("currency: USD\nprices: []\ndevices: {}\n", "devices", "must be a list"),
        ("currency: USD\nprices: []\nrates: 0\n", "rates", "must be a list"),
        ("currency: USD\nprices: []\ndevice: []\n", "device", "known: currency, prices, devices"),
        ("prices: []\n", "currency", "must be a code of three capital letters"),
        ("currency: 1\nprices: []\n", "currency", "must be a code of three capital letters"),
        ("prices: [\n", "LLM_SERVER_PRICES", "cannot be read: no YAML near line 2"),
        ("prices: []\nprices: []\n", "LLM_SERVER_PRICES", "a key stands twice near line 2"),
        ("from: 2026-13-45\n", "LLM_SERVER_PRICES", "an impossible date"),
    ],
)
def test_a_bad_file_names_file_key_and_fix(tmp_path: Path, text: str, key: str, fix: str) -> None:
    path = write(tmp_path, "prices.yaml", text)
    said = _refused(path)
    assert said.startswith(f"{path}: {key}: ")
    assert fix in said


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"LLM_SERVER_PRICES: cannot be read: No such file"):
        read_prices(tmp_path / "none.yaml")


@pytest.mark.parametrize("module", ["server.pricing.price_list", "server.pricing.budgets"])
def test_make_checks_commands_fail_with_the_reason(module: str, tmp_path: Path) -> None:
    path = write(tmp_path, "bad.yaml", "nothing: of this\n")
    command = [sys.executable, "-m", module, str(path)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{path}: ")
    assert len(done.stderr.splitlines()) == 1
