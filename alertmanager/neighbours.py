"""Who may ask: the parts of the stack and a browser's own pages, no page from elsewhere.

alertlog has no keys, and every page that somebody opens can send requests to loopback
(docs/decisions/0016-no-page-may-ask-by-default.md).
"""

import ipaddress
from email.message import Message

FOREIGN = (
    "a page from elsewhere may not ask; call this by an address or by a name without a dot, "
    "and without Origin\n"
)


def _host(header: str) -> str:
    name, _, port = header.rpartition(":")
    return name if name and port.isdigit() else header


def _is_ours(host: str) -> bool:
    """True for an address and for a name without a dot: no page of the Internet has either."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return "." not in host
    return True


def may_ask(headers: Message, *, posts: bool) -> bool:
    """False for what a page of another site sends or embeds; a link that is followed may open."""
    if not _is_ours(_host(headers.get("Host", ""))):
        return False
    if posts:
        # Browsers say where a POST comes from; Alertmanager has nothing to say.
        return "Origin" not in headers and "Sec-Fetch-Site" not in headers
    site, mode = headers.get("Sec-Fetch-Site", "none"), headers.get("Sec-Fetch-Mode", "navigate")
    return site in ("none", "same-origin") or mode == "navigate"
