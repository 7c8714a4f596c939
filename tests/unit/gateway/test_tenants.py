"""Tenants: the key file's form, Bearer parsing, open mode; a key appears in no error."""

import hashlib
from pathlib import Path

import pytest

from server.gateway.api_keys import DEFAULT_TENANT, Tenants, read_tenants
from server.settings import SettingsError
from tests.unit.helpers import write

KEY = "opensesame-1234567890"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
GOOD = f"tenants:\n  {DIGEST}: acme\n"


@pytest.fixture
def acme(tmp_path: Path) -> Tenants:
    return read_tenants(write(tmp_path, "keys.yaml", GOOD))


def test_without_a_file_everybody_is_default() -> None:
    tenants = read_tenants(None)
    assert tenants.open is True
    assert tenants.names == (DEFAULT_TENANT,)
    assert tenants.of(None) == tenants.of("Bearer whatever") == "default"


def test_a_known_key_is_its_tenant(acme: Tenants) -> None:
    assert acme.open is False
    assert acme.names == ("acme",)
    assert acme.of(f"Bearer {KEY}") == "acme"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
def test_the_scheme_is_case_insensitive(acme: Tenants, scheme: str) -> None:
    assert acme.of(f"{scheme}  {KEY} ") == "acme"


@pytest.mark.parametrize(
    "header", [None, "", KEY, "Bearer", "Bearer ", f"Basic {KEY}", f"Bearer {KEY}x",
               f"Bearer {DIGEST}", f"Bearer{KEY}"],
)  # fmt: skip
def test_anything_else_is_nobody(acme: Tenants, header: str | None) -> None:
    assert acme.of(header) is None


@pytest.mark.parametrize(
    "key", ["schl\u00fcssel", "voil\u00e0", "\u043a\u043b\u044e\u0447", "\U0001f511"]
)
def test_a_key_beyond_ascii_matches_the_digest_of_its_utf8(key: str) -> None:
    tenants = Tenants({hashlib.sha256(key.encode()).hexdigest(): "acme"})
    on_the_wire = f"Bearer {key}".encode().decode("latin-1")
    assert tenants.of(on_the_wire) == "acme"
    assert tenants.of(f"{on_the_wire} ") == "acme"
    # Python's http.client sends Latin-1 where that holds the key.
    assert tenants.of(f"Bearer {key}") == "acme"
    assert tenants.of(f"{on_the_wire}x") is None


@pytest.mark.parametrize("odd", ["\ud800", "\xff\xfe", "\x00", "a b", "\xa0", "\x85"])
def test_an_odd_key_is_nobodys_and_breaks_nothing(acme: Tenants, odd: str) -> None:
    assert acme.of(f"Bearer {odd}") is None
    assert acme.of(f"Bearer {KEY}{odd}") is None


def test_two_keys_may_share_a_tenant(tmp_path: Path) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    tenants = read_tenants(write(tmp_path, "keys.yaml", f"{GOOD}  {other}: acme\n"))
    assert tenants.names == ("acme",)
    assert tenants.of("Bearer other") == "acme"


BAD = {
    "the key itself": (f"tenants:\n  {KEY}: acme\n", "tenants", "not the key itself"),
    "63 digits": (f"tenants:\n  {DIGEST[:63]}: acme\n", "tenants", "64 hex digits"),
    "upper case": (f"tenants:\n  {DIGEST.upper()}: acme\n", "tenants", "64 hex digits"),
    "a number": ("tenants:\n  12345: acme\n", "tenants", "64 hex digits"),
    "tenant in capitals": (f"tenants:\n  {DIGEST}: Acme\n", DIGEST[:8], "lower-case"),
    "tenant of 64": (f"tenants:\n  {DIGEST}: {'a' * 64}\n", DIGEST[:8], "lower-case"),
    "tenant other": (f"tenants:\n  {DIGEST}: other\n", DIGEST[:8], "choose another name"),
    "tenant missing": (f"tenants:\n  {DIGEST}:\n", DIGEST[:8], "lower-case"),
    "a list": (f"tenants: [{KEY}]\n", "tenants", "must map SHA-256 digests"),
    "no tenants": ("keys: {}\n", "tenants", "must map SHA-256 digests"),
    "no entry": ("tenants: {}\n", "tenants", "unset LLM_SERVER_KEYS to run open"),
    "empty": ("", "tenants", "must map SHA-256 digests"),
    "bare text": (KEY, "tenants", "must map SHA-256 digests"),
    "broken YAML": (f"tenants:\n  {KEY}: [\n", "LLM_SERVER_KEYS", "cannot be read"),
    "a key in brackets": (f"tenants: {{{KEY}: }}{KEY}", "LLM_SERVER_KEYS", "cannot be read"),
}


@pytest.mark.parametrize(("text", "key", "fix"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_names_file_entry_and_fix_but_no_key(
    tmp_path: Path, text: str, key: str, fix: str
) -> None:
    path = write(tmp_path, "keys.yaml", text)
    with pytest.raises(SettingsError) as stop:
        read_tenants(path)
    message = str(stop.value)
    assert message.startswith(f"{path}: ")
    assert key in message
    assert fix in message
    assert KEY not in message


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"LLM_SERVER_KEYS: cannot be read"):
        read_tenants(tmp_path / "none.yaml")


def test_a_file_that_is_no_text_names_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_bytes(b"\xff\xfe\x00k")
    with pytest.raises(SettingsError, match=r"LLM_SERVER_KEYS: cannot be read"):
        read_tenants(path)
