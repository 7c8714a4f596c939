"""API keys map to tenants by a file that holds only the keys' SHA-256."""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from server.settings import SettingsError, read_yaml
from server.signals.labels import refuse_other

DEFAULT_TENANT = "default"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Tenants:
    """Who a key belongs to; without any key everybody is the tenant `default`."""

    def __init__(self, by_digest: Mapping[str, str]) -> None:
        self._by_digest = dict(by_digest)
        self.names = tuple(sorted(set(by_digest.values()))) or (DEFAULT_TENANT,)

    @property
    def open(self) -> bool:
        """True when no keys are configured."""
        return not self._by_digest

    def of(self, authorization: str | None) -> str | None:
        """The tenant of an Authorization header's Bearer key, None when the key is unknown."""
        if self.open:
            return DEFAULT_TENANT
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = (self._by_digest.get(digest) for digest in _digests(key.strip(" \t")))
        return next((tenant for tenant in found if tenant is not None), None)


def _digests(key: str) -> list[str]:
    """Of the bytes on the wire, decoded as Latin-1, and of the text itself, which a client that
    encodes headers as Latin-1 meant.
    """
    spellings = []
    for encoding in ("latin-1", "utf-8"):
        with suppress(UnicodeEncodeError):
            spellings.append(hashlib.sha256(key.encode(encoding)).hexdigest())
    return spellings


def _entry(where: str, digest: object, tenant: object) -> tuple[str, str]:
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        fix = "a key must be the 64 hex digits of `printf %s KEY | sha256sum`, not the key itself"
        raise SettingsError(where, "tenants", fix)
    if not isinstance(tenant, str) or not _NAME.fullmatch(tenant):
        fix = "the tenant must be a name of lower-case letters, digits, _ and -"
        raise SettingsError(where, f"tenants.{digest[:8]}...", fix)
    refuse_other(where, f"tenants.{digest[:8]}...", tenant)
    return digest, tenant


def read_tenants(path: Path | None) -> Tenants:
    """Read `tenants: {<SHA-256 of key>: <tenant>}`; raises SettingsError naming what is wrong."""
    if path is None:
        return Tenants({})
    data = read_yaml(path, "KEYS")
    entries = data.get("tenants") if isinstance(data, dict) else None
    if not isinstance(entries, dict) or not entries:
        fix = "must map SHA-256 digests of keys to tenant names; unset LLM_SERVER_KEYS to run open"
        raise SettingsError(str(path), "tenants", fix)
    return Tenants(dict(_entry(str(path), key, tenant) for key, tenant in entries.items()))
