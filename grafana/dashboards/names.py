"""The boards' names, which their makers and their pictures share without the SDK."""

BOARDS = {
    "llm-overview": "Overview",
    "llm-red": "RED",
    "llm-use": "USE",
    "llm-cost": "Cost",
    "llm-bill": "Device bill",
    "llm-requests": "Request explorer",
    "llm-telemetry": "Telemetry health",
    "llm-loadtest": "Load test",
}
"""Every board's uid and title, in the order in which they are read."""
TAG = "llm"
"""What every board is found by in the menu at the top of each page."""
MENU = "Boards"
"""That menu's name; a link for each board would take two or three rows of the page."""


def titled(uid: str) -> str:
    """Return a board's title as the menu lists it."""
    return f"LLM serving: {BOARDS[uid]}"
