"""What `.env` may hold of a secret or a name: the rest is refused unseen, with key and fix."""

from pathlib import Path

import pytest

from tests.unit.receiving import EMAIL, LOGIN, SECRETS, secret_file
from tests.unit.stack.test_stack_receivers import SECRET_KEYS, UNLIKELY, names, refusal


@pytest.mark.parametrize("key", [*SECRET_KEYS, "ALERT_EMAIL_PASSWORD_FILE"])
def test_a_secret_file_of_no_use_is_named_with_key_and_fix(tmp_path: Path, key: str) -> None:
    more = {**EMAIL, **LOGIN} if "EMAIL" in key else {}
    missing = refusal(tmp_path, **more, **{key: str(tmp_path / "none")})
    assert missing.startswith(f"{key}: there is no file of that name: its value is the name of a ")
    assert str(tmp_path) not in missing
    assert "there is no file" in refusal(tmp_path, **more, **{key: str(tmp_path)})
    path = tmp_path / key.lower()
    for text, reason in (("", "is empty"), (" \n", "is empty")):
        path.write_text(text)
        path.chmod(0o600)
        assert f"{key}: {path} {reason}: put " in refusal(tmp_path, **more, **{key: str(path)})
    path.write_bytes(b"\xff\xfe")
    assert "is no text" in refusal(tmp_path, **more, **{key: str(path)})
    path.write_text(f"{UNLIKELY}\n{UNLIKELY}")
    assert "does not hold" in refusal(tmp_path, **more, **{key: str(path)})


@pytest.mark.parametrize("bits", [0o604, 0o602, 0o644, 0o666, 0o601])
def test_a_secret_file_that_everybody_may_use_is_refused(tmp_path: Path, bits: int) -> None:
    path = Path(secret_file(tmp_path, "PAGERDUTY_KEY_FILE"))
    path.chmod(bits)
    line = refusal(tmp_path, PAGERDUTY_KEY_FILE=str(path))
    assert line.endswith(f"may use {path}: chmod 600 {path}")
    path.chmod(0o640)
    assert names(tmp_path, PAGERDUTY_KEY_FILE=str(path)) == ["pagerduty"]


@pytest.mark.parametrize("key", [*SECRET_KEYS, "ALERT_EMAIL_PASSWORD_FILE"])
@pytest.mark.parametrize("value", [UNLIKELY, f"https://hooks.example.org/{UNLIKELY}"])
def test_a_secret_in_place_of_its_file_is_not_shown(tmp_path: Path, key: str, value: str) -> None:
    more = {**EMAIL, **LOGIN} if "EMAIL" in key else {}
    assert "its value is the name of a file, not the secret" in refusal(
        tmp_path, **more, **{key: value}
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ALERT_EMAIL_SMARTHOST", f"user:{UNLIKELY}@smtp.example.org:587"),
        ("ALERT_EMAIL_SMARTHOST", f"smtp://{UNLIKELY}:587"),
        ("ALERT_EMAIL_SMARTHOST", f"{UNLIKELY}:smtp:587"),
        ("ALERT_EMAIL_FROM", f"smtp://x:{UNLIKELY}@y@z"),
        ("ALERT_EMAIL_TO", f"x {UNLIKELY}"),
        ("ALERT_EMAIL_USER", f"alerts {UNLIKELY}"),
    ],
)
def test_a_value_that_is_not_understood_is_not_shown(tmp_path: Path, key: str, value: str) -> None:
    login = {
        **LOGIN,
        "ALERT_EMAIL_PASSWORD_FILE": secret_file(tmp_path, "ALERT_EMAIL_PASSWORD_FILE"),
    }
    said = refusal(tmp_path, **{**EMAIL, **login, key: value})
    assert said.startswith(f"{key} is not understood: write it like ")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("SLACK_WEBHOOK_FILE", UNLIKELY),
        ("SLACK_WEBHOOK_FILE", f"ftp://{UNLIKELY}/"),
        ("ALERT_WEBHOOK_URL_FILE", f"https://x/{{{{{UNLIKELY}}}}}"),
        ("ALERT_WEBHOOK_URL_FILE", f"https://x/a {UNLIKELY}"),
        ("ALERT_HEARTBEAT_URL_FILE", "https://"),
        ("ALERT_WEBHOOK_URL_FILE", f"https://x:0/{UNLIKELY}"),
        ("ALERT_WEBHOOK_URL_FILE", f"https://x:99999/{UNLIKELY}"),
        ("ALERT_WEBHOOK_URL_FILE", f"https://x:/{UNLIKELY}"),
        ("ALERT_WEBHOOK_URL_FILE", f"https://x/%zz{UNLIKELY}"),
        ("ALERT_WEBHOOK_URL_FILE", f"https://x/\x7f{UNLIKELY}"),
        ("ALERT_WEBHOOK_URL_FILE", f"https://x/\u202e{UNLIKELY}"),
        ("ALERT_WEBHOOK_URL_FILE", f"https://[x/{UNLIKELY}"),
        ("ALERT_WEBHOOK_URL_FILE", f"\ufeffhttps://x/{UNLIKELY}"),
        ("PAGERDUTY_KEY_FILE", f"\ufeff{UNLIKELY}"),
        ("PAGERDUTY_KEY_FILE", f"two words {UNLIKELY}"),
        ("PAGERDUTY_KEY_FILE", f"{{{{ {UNLIKELY} }}}}"),
    ],
)
def test_a_secret_of_another_kind_is_refused_unseen(tmp_path: Path, key: str, text: str) -> None:
    path = secret_file(tmp_path, key, text)
    assert f"{key}: {path} does not hold " in refusal(tmp_path, **{key: path})


@pytest.mark.parametrize("channel", ["#a b", "{{ .X }}", "<!channel>", "##"])
def test_a_channel_that_is_none_is_refused(tmp_path: Path, channel: str) -> None:
    file = secret_file(tmp_path, "SLACK_WEBHOOK_FILE")
    said = refusal(tmp_path, SLACK_WEBHOOK_FILE=file, SLACK_CHANNEL=channel)
    assert said.endswith("is not understood: write it like #llm-alerts")


@pytest.mark.parametrize("text", ["\ufeffpw", "p\0w", "p\x7fw", "p\x9bw", "p\nw", "p\u2028w"])
def test_a_password_that_nobody_typed_is_refused(tmp_path: Path, text: str) -> None:
    path = secret_file(tmp_path, "ALERT_EMAIL_PASSWORD_FILE", text)
    said = refusal(tmp_path, **EMAIL, **LOGIN, ALERT_EMAIL_PASSWORD_FILE=path)
    assert f"ALERT_EMAIL_PASSWORD_FILE: {path} does not hold a password in one line" in said


@pytest.mark.parametrize("text", ["p:w\"'#x \ty", "größe 😀", "{{ .X }}"])
def test_a_password_may_be_odd(tmp_path: Path, text: str) -> None:
    path = secret_file(tmp_path, "ALERT_EMAIL_PASSWORD_FILE", text)
    assert names(tmp_path, **EMAIL, **LOGIN, ALERT_EMAIL_PASSWORD_FILE=path) == ["email"]


@pytest.mark.parametrize(
    "text", ["https://u:p%40w@[::1]:8443/a?b=c#d", "http://x.example:65535", "https://x/a;b=(1)~"]
)
def test_an_address_may_be_odd(tmp_path: Path, text: str) -> None:
    path = secret_file(tmp_path, "ALERT_WEBHOOK_URL_FILE", text)
    assert names(tmp_path, ALERT_WEBHOOK_URL_FILE=path) == ["webhook"]


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_a_secret_of_megabytes_is_not_read(tmp_path: Path, key: str) -> None:
    path = secret_file(tmp_path, key, SECRETS[key] + "a" * 3_000_000)
    assert f"{path} holds more than 4096 bytes: put " in refusal(tmp_path, **{key: path})


@pytest.mark.parametrize("value", ["a" * 5000, "a\0b", "/dev/null", "\udcff"])
def test_a_path_that_cannot_be_is_no_file(tmp_path: Path, value: str) -> None:
    said = refusal(tmp_path, SLACK_WEBHOOK_FILE=value)
    assert said.startswith("SLACK_WEBHOOK_FILE: there is no file of that name: ")


@pytest.mark.parametrize("letter", ["\x7f", "\x9b", "\n", "\u202e", "\udcff"])
def test_a_path_with_a_control_character_is_refused(tmp_path: Path, letter: str) -> None:
    folder = tmp_path / f"x{letter}x"
    folder.mkdir()
    said = refusal(tmp_path, SLACK_WEBHOOK_FILE=secret_file(folder, "SLACK_WEBHOOK_FILE"))
    assert said == (
        "SLACK_WEBHOOK_FILE: a control character is in the file's path: give it another name"
    )


@pytest.mark.parametrize("letter", ["\x7f", "\x85", "\x9b", "\u200b", "\ufeff", "\udcff", "\x01"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SLACK_CHANNEL", "#a{}b"),
        ("ALERT_EMAIL_TO", "a{}@b.c"),
        ("ALERT_EMAIL_FROM", "a@b{}c"),
        ("ALERT_EMAIL_SMARTHOST", "smtp{}x:25"),
        ("ALERT_EMAIL_USER", "a{}b"),
    ],
)
def test_a_control_character_in_a_value_is_refused(
    tmp_path: Path, key: str, value: str, letter: str
) -> None:
    secrets = ("SLACK_WEBHOOK_FILE", "ALERT_EMAIL_PASSWORD_FILE")
    files = {name: secret_file(tmp_path, name) for name in secrets}
    said = refusal(tmp_path, **{**files, **EMAIL, **LOGIN, key: value.format(letter)})
    assert said.startswith(f"{key} is not understood: write it like ") and said.isprintable()


@pytest.mark.parametrize("port", ["0", "65536", "99999", "00000"])
def test_a_port_of_a_relay_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    said = refusal(tmp_path, **{**EMAIL, "ALERT_EMAIL_SMARTHOST": f"smtp.example.org:{port}"})
    assert said.startswith("ALERT_EMAIL_SMARTHOST has a port that is none: give one from 1 to ")


@pytest.mark.parametrize("key", [*EMAIL, "SLACK_CHANNEL"])
def test_a_value_of_megabytes_is_refused(tmp_path: Path, key: str) -> None:
    file = secret_file(tmp_path, "SLACK_WEBHOOK_FILE")
    values = {**EMAIL, "SLACK_WEBHOOK_FILE": file, key: "a" * 3_000_000 + "@b:25"}
    assert refusal(tmp_path, **values).startswith(f"{key} is not understood: ")
