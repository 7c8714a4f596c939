"""REMOTE_HOST and its like: what is refused before anything is open to other machines."""

import stat
from pathlib import Path

import pytest

from stack.containers import compose, remote
from stack.errors import Fault
from stack.settings import Settings
from tests import docs
from tests.unit.receiving import settings_of

HOST = "llm.example.org"
PEM = "-----BEGIN PRIVATE KEY-----\nhunter2\n"


def asked(folder: Path, **values: str) -> Settings:
    """Settings with keys, whose file is there."""
    keys = folder / "keys.yaml"
    keys.write_text("tenants: {}")
    return settings_of(folder, **{"REMOTE_HOST": HOST, "LLM_SERVER_KEYS": str(keys), **values})


def refusal(settings: Settings) -> str:
    with pytest.raises(Fault) as caught:
        remote.chosen(settings)
    line = str(caught.value)
    assert "\n" not in line and "hunter2" not in line
    return line


def private_key(folder: Path, mode: int = 0o600, text: str = PEM) -> str:
    path = folder / "key.pem"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_nothing_set_is_no_proxy(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, REMOTE_HOST="")
    assert remote.chosen(settings) is None and not remote.is_wanted(settings)
    remote.write(settings, None)
    folder = settings.state / "secrets"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "remote_cert": "", "remote_key": "",
    }  # fmt: skip


def test_what_the_page_writes_into_dot_env_is_taken(tmp_path: Path) -> None:
    given, words = docs.command(docs.block("remote.md", "remote.env"))
    assert not words and given.pop("LLM_SERVER_KEYS")
    found = remote.chosen(asked(tmp_path, **given))
    assert found and (found.host, found.tls) == (HOST, "admin@example.org")
    assert found.shown == (f"https://{HOST}:443/v1", f"https://{HOST}:3443/")


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        (HOST, f"https://{HOST}:443/v1"),
        ("192.0.2.7", "https://192.0.2.7:443/v1"),
        ("2001:db8::7", "https://[2001:db8::7]:443/v1"),
        ("gpubox", "https://gpubox:443/v1"),
    ],
)
def test_a_name_or_an_address_is_a_host(tmp_path: Path, host: str, shown: str) -> None:
    found = remote.chosen(asked(tmp_path, REMOTE_HOST=host))
    assert found and found.shown[0] == shown and found.tls == "internal"


@pytest.mark.parametrize(
    "host",
    ["https://a.b", "a b", "a{b", "-a", "A.example.org", "a..b", "localhost", "a/b", "a:443"],
)
def test_another_text_is_none(tmp_path: Path, host: str) -> None:
    assert "REMOTE_HOST" in refusal(asked(tmp_path, REMOTE_HOST=host))


def test_without_keys_it_is_refused(tmp_path: Path) -> None:
    for keys in ("", str(tmp_path / "nowhere.yaml")):
        line = refusal(asked(tmp_path, LLM_SERVER_KEYS=keys))
        assert "LLM_SERVER_KEYS" in line and "make key" in line


@pytest.mark.parametrize("password", ["admin", "hunter2", ""])
def test_a_password_that_can_be_guessed_is_refused(tmp_path: Path, password: str) -> None:
    settings = asked(tmp_path)
    path = settings.state / "secrets" / "grafana_admin_password"
    path.parent.mkdir(parents=True)
    path.write_text(password)
    assert "fewer than 12" in refusal(settings)
    path.write_text("x" * 32)
    assert remote.chosen(settings)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("REMOTE_BIND", "eth0"), ("REMOTE_API_PORT", "0"), ("REMOTE_GRAFANA_PORT", "https"),
        ("REMOTE_GRAFANA_PORT", "443"), ("REMOTE_TLS", "off"), ("REMOTE_TLS", "a@b\n}"),
    ],
)  # fmt: skip
def test_other_words_of_no_use_are_refused(tmp_path: Path, key: str, value: str) -> None:
    assert key in refusal(asked(tmp_path, **{key: value}))


@pytest.mark.parametrize("key", ["REMOTE_TLS", "REMOTE_CERT_FILE", "REMOTE_KEY_FILE"])
def test_what_belongs_to_a_host_needs_one(tmp_path: Path, key: str) -> None:
    assert "REMOTE_HOST is not" in refusal(settings_of(tmp_path, **{key: "internal"}))


def test_a_certificate_of_your_own_reaches_the_container_alone(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    # Comments above a certificate are in whatever a CA's people write.
    chain = "# Société\n-----BEGIN CERTIFICATE-----\n".encode("latin-1")
    cert.write_bytes(chain)
    given = {"REMOTE_CERT_FILE": str(cert), "REMOTE_KEY_FILE": private_key(tmp_path)}
    settings = asked(tmp_path, **given)
    found = remote.chosen(settings)
    assert found and found.tls == remote.variables(settings)["REMOTE_TLS"] == remote.OWN
    remote.write(settings, found)
    folder = settings.state / "secrets"
    assert (folder / "remote_key").read_text() == PEM
    assert (folder / "remote_cert").read_bytes() == chain
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_half_of_a_certificate_is_refused(tmp_path: Path) -> None:
    key = private_key(tmp_path)
    assert "REMOTE_CERT_FILE" in refusal(asked(tmp_path, REMOTE_KEY_FILE=key))
    both = {"REMOTE_CERT_FILE": key, "REMOTE_KEY_FILE": key}
    assert "do not go together" in refusal(asked(tmp_path, **both, REMOTE_TLS="internal"))
    none = {**both, "REMOTE_CERT_FILE": str(tmp_path / "nowhere")}
    assert "REMOTE_CERT_FILE" in refusal(asked(tmp_path, **none))
    private_key(tmp_path, 0o644)
    assert "chmod 600" in refusal(asked(tmp_path, **both))
    private_key(tmp_path, 0o600, "hunter2")
    assert "a private key in PEM" in refusal(asked(tmp_path, **both))


@pytest.mark.parametrize(
    ("verb", "host", "expected"),
    [("up", "", ["cpu"]), ("up", HOST, ["cpu", "remote"]), ("down", "", ["cpu", "remote"])],
)
def test_it_is_started_on_request_and_always_taken_down(
    tmp_path: Path, verb: str, host: str, expected: list[str]
) -> None:
    # Not asked for keys: what runs has to come down whatever is wrong.
    settings = settings_of(tmp_path, REMOTE_HOST=host)
    flags = compose._profiles(settings, {"COMPOSE_PROFILES": "cpu"}, verb)
    assert flags == [word for name in expected for word in ("--profile", name)]
