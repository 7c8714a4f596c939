"""`make key`: what it writes is what the server reads, and the key itself stands nowhere."""

import hashlib
import threading
from pathlib import Path

import pytest

from server.gateway.api_keys import read_tenants
from server.signals.labels import MAX_VALUES
from stack.commands.key import DEFAULT, key
from stack.errors import Fault
from stack.settings import load
from stack.upkeep import keys_file

DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def test_the_key_is_printed_alone_and_its_digest_is_the_tenants(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert key(load(tmp_path, {"TENANT": "team-search"})) == 0
    said = capsys.readouterr()
    made = said.out.strip()
    path = tmp_path / DEFAULT
    assert made.startswith("llm_") and len(made) > 40 and "\n" not in made
    assert made not in path.read_text() and made not in said.err
    assert read_tenants(path).of(f"Bearer {made}") == "team-search"
    assert f"LLM_SERVER_KEYS={DEFAULT}" in said.err and "make down && make up" in said.err
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o644, "the container's user has to read it"


def test_a_key_is_added_to_the_file_that_the_setting_names_and_nothing_of_it_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"# ours\ntenants: # all\n    {DIGEST}: 'old'  # until May\n\n# end\n")
    path.chmod(0o640)
    assert key(load(tmp_path, {"TENANT": "new", "LLM_SERVER_KEYS": "mine.yaml"})) == 0
    said = capsys.readouterr()
    lines = path.read_text().splitlines()
    digest = hashlib.sha256(said.out.strip().encode()).hexdigest()
    assert lines == ["# ours", "tenants: # all", f"    {DIGEST}: 'old'  # until May",
                     f'    {digest}: "new"', "", "# end"]  # fmt: skip
    assert read_tenants(path).names == ("new", "old")
    assert path.stat().st_mode & 0o777 == 0o640
    assert "LLM_SERVER_KEYS=" not in said.err


@pytest.mark.parametrize("tenant", ["null", "on", "123", "0x10", "1e5", "2026-11-27", "a_b-c"])
def test_a_tenants_name_is_text_whatever_yaml_would_make_of_it(tmp_path: Path, tenant: str) -> None:
    assert key(load(tmp_path, {"TENANT": tenant})) == 0
    assert key(load(tmp_path, {"TENANT": tenant})) == 0
    assert read_tenants(tmp_path / DEFAULT).names == (tenant,)


@pytest.mark.parametrize("tenant", ["", "Team", "a b", "-a", "other", "a" * 64, "é", "a\n"])
def test_a_name_that_the_server_would_refuse_makes_no_key(tmp_path: Path, tenant: str) -> None:
    with pytest.raises(Fault):
        key(load(tmp_path, {"TENANT": tenant}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [("tenants: {}\n", 1), (f"tenants:\n  {DIGEST}: a\n more: b\n", 3), ("secret-key: a\n", 1),
     (f"tenants:\n  {DIGEST}: a\n    {DIGEST}: b\n", 3), ("tenants:\ntenants:\n", 2),
     (f'{{"tenants": {{"{DIGEST}": "a"}}}}', 1), ("﻿tenants:\n", 1)],
)  # fmt: skip
def test_a_file_of_another_form_is_refused_by_its_line_and_stays(
    tmp_path: Path, text: str, line: int
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(Fault, match=rf"keys.yaml line {line} is not"):
        key(load(tmp_path, {"TENANT": "a", "LLM_SERVER_KEYS": "keys.yaml"}))
    assert path.read_text() == text


@pytest.mark.parametrize("text", ["", "\n", "# mine\n", "---\n", "tenants:\n", "# mine\ntenants:"])
def test_a_file_without_a_key_gets_its_first(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    assert key(load(tmp_path, {"TENANT": "a", "LLM_SERVER_KEYS": str(path)})) == 0
    assert read_tenants(path).names == ("a",)
    assert ("# mine" in text) == ("# mine" in path.read_text())


def test_two_at_once_lose_no_key(tmp_path: Path) -> None:
    makers = [
        threading.Thread(target=key, args=(load(tmp_path, {"TENANT": f"t{n}"}),)) for n in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(read_tenants(tmp_path / DEFAULT).names) == 8


def test_a_folder_that_another_just_made_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(tmp_path, {"TENANT": "a"})
    (tmp_path / DEFAULT).parent.mkdir()
    # As whoever looked a moment before the other made it.
    monkeypatch.setattr(Path, "exists", lambda _: False)
    assert key(settings) == 0


def test_a_link_to_the_file_stays_one(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("tenants:\n")
    (tmp_path / "link.yaml").symlink_to(real)
    assert key(load(tmp_path, {"TENANT": "a", "LLM_SERVER_KEYS": "link.yaml"})) == 0
    assert (tmp_path / "link.yaml").is_symlink() and read_tenants(real).names == ("a",)


def test_more_tenants_than_have_numbers_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys_file.MOST_TENANTS == MAX_VALUES
    for number in range(MAX_VALUES + 1):
        assert key(load(tmp_path, {"TENANT": f"t{number}"})) == 0
    assert capsys.readouterr().err.count("the rest share `other`") == 1
