"""What compose mounts as secrets, such as Grafana's password, which is made and shown once."""

import secrets
from pathlib import Path

from stack.say import say
from stack.settings import Settings


def put(settings: Settings, name: str, content: str | bytes) -> Path:
    """Write one secret where containers have it from and where nobody else's user gets in."""
    path = settings.state / "secrets" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    # The container's own user reads it through a bind mount; the 0700 folder keeps others out.
    path.chmod(0o644)
    return path


def ensure(settings: Settings) -> None:
    """Make the password file unless it is there, and show the password this one time."""
    path = settings.state / "secrets" / "grafana_admin_password"
    if path.exists():
        return
    put(settings, path.name, secrets.token_urlsafe(24))
    say(f"  Grafana: user admin, password {path.read_text()} (shown once, kept in {path})")


def hub_token(settings: Settings) -> None:
    """Keep HF_TOKEN of this shell where the server's container reads it; empty without one."""
    put(settings, "hf_token", settings.values.get("HF_TOKEN", ""))
