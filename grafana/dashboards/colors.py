"""What looks the same on every board: how a request ended, and who measured it by what."""

OUTCOMES = {
    "ok": "green",
    "client_error": "yellow",
    "server_error": "red",
    "aborted": "purple",
    "timeout": "orange",
}
"""Every outcome of a request, and its color on each board."""
LISTED, DEVICE = "list", "device"
"""How legends begin: money by the price list, and by device time, whose lines are dashed."""
SERVER_SIDE = "server"
"""How legends begin of what the server counts, dashed beside what its client does."""
