"""What is left of the error budgets, how fast they go, and which alerts fire: the Overview's rows.

The numbers are recorded by prometheus/rules/slo.yaml; docs/runbooks/slo.md says what a bad request
is.
"""

from grafana.dashboards.explained import ALERTLOG
from grafana.dashboards.limits import Limits
from grafana.dashboards.panels import Panel, series, table
from grafana.dashboards.queries import FIRING, NO_TRAFFIC, Now, Query, measured
from grafana.dashboards.slo import fastest_burn, sustainable_burn

MODELS = '{model=~"$model"}'
LEFT = f"model_objective:slo_budget_left:ratio_increase30d{MODELS}"


def _row(series: str) -> str:
    # By its labels alone, without its name, or each number would be a row of its own.
    return f"max by (objective, model) ({series})"


def error_budgets() -> list[Panel]:
    """Return how fast each budget goes, what is left of it and how long that lasts."""
    return [
        series(
            "Burn rate over an hour",
            "How many times too fast each error budget goes, of its worst model, 1 "
            "being the pace that uses it up in 30 days; above the dashed line ErrorBudgetBurn "
            "pages: open its runbook.",
            "none",
            [
                Query(
                    measured(f"max by (objective) (model_objective:slo_burn:ratio1h{MODELS})"),
                    "{{objective}}",
                )
            ],
            empty=NO_TRAFFIC,
            width=12,
            height=9,
            limits=fastest_burn(),
        ),
        table(
            "Error budgets",
            "Each objective of each model: what is left of 30 days' budget, the burn rate over an "
            "hour (red: faster than the budget allows), and how long the rest lasts at that pace "
            "(empty: for ever, or nothing is left); "
            "below 0 more was bad than the objective allows: ship nothing risky before it is "
            "mended.",
            [
                Now(_row(LEFT)),
                Now(_row(f"model_objective:slo_burn:ratio1h{MODELS}")),
                Now(_row(f"model_objective:slo_budget_exhaustion:seconds{MODELS}")),
            ],
            {
                "objective": ("Objective", "string"),
                "model": ("Model", "string"),
                "Value #A": ("Left", "percentunit"),
                "Value #B": ("Burn rate", "none"),
                "Value #C": ("Lasts", "s"),
            },
            sort="Burn rate",
            height=9,
            limits={"Left": Limits(0, falling=True), "Burn rate": sustainable_burn()},
            empty="no requests yet",
        ),
    ]


_NAMING = {
    "model": ("Model", "string"),
    "objective": ("Objective", "string"),
    "window": ("Window", "string"),
    "job": ("Part", "string"),
    "instance": ("Instance", "string"),
    "tenant": ("Tenant", "string"),
}
"""What tells an alert from others of its name: the labels, and their columns."""


def firing_alerts() -> list[Panel]:
    """Return the alerts that fire, each since when and with the page that says what to do."""
    named = "&".join(
        f"{label}=${{__data.fields.{heading}}}" for label, (heading, _) in _NAMING.items()
    )
    return [
        table(
            "Firing alerts",
            "Each alert that fires and since when its condition holds; click its name for the "
            "runbook, and the time for the value, the worst request's trace and the log lines.",
            [Now(f"1000 * ALERTS_FOR_STATE and ignoring (alertstate) {FIRING}")],
            {
                "severity": ("Severity", "string"),
                "alertname": ("Alert", "string"),
                **_NAMING,
                "Value": ("Since", "dateTimeAsIsoNoDateIfToday"),
            },
            sort="Since",
            width=24,
            height=6,
            links={
                "Alert": ("Open the runbook", f"{ALERTLOG}/runbooks/alert/${{__value.raw}}"),
                "Since": (
                    "Why it fired: its value, its worst request, its log lines",
                    f"{ALERTLOG}/alerts/newest/${{__data.fields.Alert}}?{named}",
                ),
            },
            empty="none",
        ),
    ]
