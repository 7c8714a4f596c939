"""The budgets file: none is fine, each malformed one names file, tenant, key and fix."""

from decimal import Decimal
from pathlib import Path

import pytest

from server.pricing.budgets import MAX_WATCHED, Budget, Budgets, check_tenants, read_budgets
from server.settings import SettingsError
from server.signals.labels import MAX_VALUES
from tests.unit.helpers import write

EXAMPLE = Path(__file__).parents[3] / "docs" / "budgets.example.yaml"


def test_without_a_file_or_with_an_empty_one_there_are_no_budgets(tmp_path: Path) -> None:
    commented = write(tmp_path, "b.yaml", "# tenants:\n")
    for path in (None, Path("/dev/null"), commented):
        found = read_budgets(path)
        assert found == Budgets(Decimal("0.8"), {})
        assert found.watched == ()


def test_the_example_is_read() -> None:
    found = read_budgets(EXAMPLE)
    assert found.soft == Decimal("0.8")
    assert found.tenants == {
        "team-search": Budget(Decimal(20), Decimal(400), False),
        "team-chat": Budget(None, Decimal("150.5"), True),
    }
    assert found.watched == ("team-chat",)


@pytest.mark.parametrize(
    ("text", "where", "fix"),
    [
        ("soft: 0.5\n", "tenants", "must map tenants to their budgets"),
        ("[]\n", "tenants", "must map tenants to their budgets"),
        ("tenants: [a]\n", "tenants", "must map tenants to their budgets"),
        ("tenants: {}\nsofter: 1\n", "softer", "means nothing here; known: soft, tenants"),
        ("tenants: {}\nsoft: 0\n", "soft", "between 0 and 1, such as 0.8"),
        ("tenants: {}\nsoft: 1\n", "soft", "between 0 and 1, such as 0.8"),
        ("tenants: {}\nsoft: 80%\n", "soft", "between 0 and 1, such as 0.8"),
        ("tenants: {other: {day: 1}}\n", "tenants: other", "choose another name"),
        ("tenants: {a: }\n", "tenants.a: day", "set at least one of day, month and watch"),
        ("tenants: {a: {}}\n", "tenants.a: day", "set at least one of day, month and watch"),
        ("tenants: {a: 5}\n", "tenants.a: day", "set at least one of day, month and watch"),
        ("tenants: {a: {day: 0}}\n", "tenants.a: day", "must be US dollars, above 0"),
        ("tenants: {a: {day: }}\n", "tenants.a: day", "must be US dollars, above 0"),
        ("tenants: {a: {month: -1}}\n", "tenants.a: month", "must be US dollars, above 0"),
        ("tenants: {a: {month: .inf}}\n", "tenants.a: month", "must be US dollars, above 0"),
        ("tenants: {a: {watch: 1}}\n", "tenants.a: watch", "must be true or false"),
        ("tenants: {a: {days: 1}}\n", "tenants.a: days", "known: day, month, watch"),
        ("tenants: {a: {day: 1}, a: {day: 2}}\n", "LLM_SERVER_BUDGETS", "a key stands twice"),
    ],
)
def test_a_bad_file_names_file_tenant_key_and_fix(
    tmp_path: Path, text: str, where: str, fix: str
) -> None:
    path = write(tmp_path, "budgets.yaml", text)
    with pytest.raises(SettingsError) as stop:
        read_budgets(path)
    assert str(stop.value).startswith(f"{path}: {where}: ")
    assert fix in str(stop.value)


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"LLM_SERVER_BUDGETS: cannot be read: No such file"):
        read_budgets(tmp_path / "none.yaml")


def _watching(folder: Path, count: int) -> Path:
    lines = "".join(f"  t{number}: {{watch: true}}\n" for number in range(count))
    return write(folder, "budgets.yaml", f"tenants:\n{lines}")


def test_so_many_are_watched_and_no_more(tmp_path: Path) -> None:
    assert len(read_budgets(_watching(tmp_path, MAX_WATCHED)).watched) == MAX_WATCHED
    path = _watching(tmp_path, MAX_WATCHED + 1)
    with pytest.raises(SettingsError, match="11 tenants are watched: leave it to 10"):
        read_budgets(path)


def test_a_tenant_that_nobody_knows_stops_the_start() -> None:
    budgets = read_budgets(EXAMPLE)
    check_tenants(EXAMPLE, budgets, ["team-chat", "team-search", "x"])
    with pytest.raises(SettingsError) as stop:
        check_tenants(EXAMPLE, budgets, ["team-chat", "team-serach"])
    assert str(stop.value).startswith(f"{EXAMPLE}: tenants: team-search: there is no such tenant")


def test_a_budget_that_could_never_be_used_up_stops_the_start() -> None:
    # Beyond the bound a tenant's spending is counted as `other`, with that of the rest.
    names = [f"t{number:02}" for number in range(MAX_VALUES + 1)]
    check_tenants(EXAMPLE, Budgets(tenants={names[-2]: Budget(Decimal(1))}), names)
    with pytest.raises(SettingsError, match="only the first 50 tenants are counted by name"):
        check_tenants(EXAMPLE, Budgets(tenants={names[-1]: Budget(Decimal(1))}), names)


def test_no_budgets_fit_any_tenants() -> None:
    check_tenants(None, Budgets(), ["default"])
