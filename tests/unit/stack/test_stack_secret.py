import stat
from pathlib import Path

from stack import secret
from stack.settings import load


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_hubs_token_lies_where_only_its_owner_gets_in(tmp_path: Path) -> None:
    secret.hub_token(load(tmp_path, {"HF_TOKEN": "hf_example"}))
    path = tmp_path / ".state" / "secrets" / "hf_token"
    assert path.read_text() == "hf_example"
    assert (mode(path.parent), mode(path)) == (0o700, 0o644)


def test_without_a_token_an_older_one_is_forgotten(tmp_path: Path) -> None:
    secret.hub_token(load(tmp_path, {"HF_TOKEN": "hf_example"}))
    secret.hub_token(load(tmp_path, {}))
    assert (tmp_path / ".state" / "secrets" / "hf_token").read_text() == ""


def test_the_password_is_made_once(tmp_path: Path) -> None:
    secret.ensure(load(tmp_path, {}))
    path = tmp_path / ".state" / "secrets" / "grafana_admin_password"
    first = path.read_text()
    secret.ensure(load(tmp_path, {}))
    assert len(first) >= 32 and path.read_text() == first
