"""A panel of words: what no query can tell."""

from grafana_foundation_sdk.builders import text
from grafana_foundation_sdk.models.text import TextMode

from grafana.dashboards.panels import Panel
from grafana.dashboards.queries import PROMETHEUS


def note(title: str, description: str, markdown: str, *, height: int) -> Panel:
    """Return a panel as wide as the board that shows the Markdown."""
    # It asks for nothing; whoever reads boards finds a data source on each panel.
    panel = text.Panel().title(title).description(description).datasource(PROMETHEUS)
    return panel.mode(TextMode.MARKDOWN).content(markdown).span(24).height(height)
