"""Grafana's password: made once, shown once, never a default."""

import secrets

from stack.say import say
from stack.settings import Settings


def ensure(settings: Settings) -> None:
    """Make the password file unless it is there, and show the password this one time."""
    path = settings.state / "secrets" / "grafana_admin_password"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    path.write_text(secrets.token_urlsafe(24))
    # The container's own user reads it through a bind mount; the 0700 folder keeps others out.
    path.chmod(0o644)
    say(f"  Grafana: user admin, password {path.read_text()} (shown once, kept in {path})")
