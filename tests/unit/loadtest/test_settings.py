"""What a load test is asked to be; what is wrong is said by name, and no key is ever shown."""

from pathlib import Path

import pytest

from loadtest.generator.settings import SettingsError, read


def test_the_defaults_load_this_machine() -> None:
    found = read({})
    assert (found.url, found.shape, found.arrivals) == (
        "http://127.0.0.1:8000",
        "steady",
        "poisson",
    )
    assert (found.rate, found.duration, found.seed, found.processes) == (3, 120, 1, 1)
    assert found.keys == ()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("RATE", "0", "RATE: '0' is not a number from 0.01"),
        ("RATE", "nan", "RATE"),
        ("RATE", "fast", "RATE"),
        ("DURATION", "1", "DURATION"),
        ("SEED", "1.5", "SEED"),
        ("SEED", "-1", "SEED"),
        ("PROCESSES", "0", "PROCESSES"),
        ("SHAPE", "square", "SHAPE: 'square' is not known: choose one of steady, ramp"),
        ("ARRIVALS", "never", "ARRIVALS"),
        ("ARRIVALS", "replay", "REPLAY"),
        ("REPLAY", "/nowhere", "REPLAY"),
        ("URL", "ftp://127.0.0.1", "URL"),
        ("URL", "127.0.0.1:8000", "URL"),
        ("TENANTS", "/nowhere", "TENANTS: /nowhere: No such file"),
        ("RUN_ID", "../elsewhere", "RUN_ID"),
    ],
)
def test_what_is_wrong_is_said_by_name(name: str, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=f"^{said}"):
        read({name: text})


@pytest.mark.parametrize("url", ["http://localhost:1", "http://[::1]:8000/", "http://server:8000"])
def test_this_machine_and_composes_server_are_loaded_unasked(url: str) -> None:
    assert read({"URL": url}).url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["http://example.com", "http://127.0.0.1.example.com", "http://10.0.0.1"]
)
def test_another_machine_is_loaded_only_where_somebody_says_so(url: str) -> None:
    with pytest.raises(SettingsError, match="LOAD_ANOTHER_MACHINE=yes"):
        read({"URL": url})
    assert read({"URL": url, "LOAD_ANOTHER_MACHINE": "yes"}).url == url


def test_tenants_are_read_and_a_bad_line_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "tenants"
    path.write_text("# who\nacme sk-secret\n\nglobex sk-other\n")
    found = read({"TENANTS": str(path)})
    assert found.keys == (("acme", "sk-secret"), ("globex", "sk-other"))
    assert "sk-secret" not in repr(found)
    path.write_text("sk-secret\n")
    with pytest.raises(SettingsError) as caught:
        read({"TENANTS": str(path)})
    assert "sk-secret" not in str(caught.value)


def test_a_replay_is_read_before_anything_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "due"
    path.write_text("1\n2\n")
    assert read({"ARRIVALS": "replay", "REPLAY": str(path)}).replay == path
    path.write_text("soon\n")
    with pytest.raises(SettingsError, match="REPLAY"):
        read({"ARRIVALS": "replay", "REPLAY": str(path)})
