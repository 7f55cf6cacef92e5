"""What a panel and a dashboard are, and the questions that they ask Prometheus."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphs.api.faults import HARMLESS

WINDOW = "$__rate_interval"
# Of a metric that is not there until it is counted first; nothing is added to one that is.
ELSE_ZERO = " or on() vector(0)"
# What a reader of the dashboard of a model chooses: a deployment, a label of all metrics there.
OF_MODEL = 'deployment=~"$model"'
# Requests that the server failed; what clients ask in vain is none of them.
FAILED = f'ray_ragfleet_requests_total{{outcome!~"{"|".join(HARMLESS)}"}}'


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One chart.

    Attributes:
        queries: legend -> PromQL; `{{label}}` in a legend is the label's value.
        unit: Grafana's name of it.
        says: what a reader learns.
    """

    title: str
    queries: Mapping[str, str]
    unit: str = "short"
    says: str = ""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One page.

    Attributes:
        variables: name -> query of the values that a reader chooses from; all at first.
    """

    title: str
    panels: tuple[Panel, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Asks for the growth of a counter a second."""
    by = f" by ({by})" if by else ""
    return f"sum{by} (rate({metric}{{{where}}}[{WINDOW}]))"


def seldom(metric: str, by: str) -> str:
    """Asks for the growth of a counter that is not there until it is counted first."""
    return f"{rate(metric, by)}{ELSE_ZERO}"


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """Asks for a quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, where)})"


def mean(metric: str, by: str = "", where: str = "") -> str:
    """Asks for the mean of a histogram."""
    return f"{rate(f'{metric}_sum', by, where)} / {rate(f'{metric}_count', by, where)}"
