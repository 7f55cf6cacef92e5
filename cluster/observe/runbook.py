"""The alerts as a page for whoever is called by one: what it means and what to do."""

import re

from cluster.observe.alerts import ALERTS, Alert

_SLOT = re.compile(r"\{\{ \$(?:labels\.)?(\w+)[^}]*\}\}")
_HEAD = """# When an alert fires

Written by `python -m cluster.observe` from `cluster/observe/alerts.py`, as are the rules of
Prometheus (`cluster/observe/rules.yml`), which carry the same lines as annotations. *page* wants
somebody now, *ticket* in working hours. The panels that are named here are those of
`cluster/observe/dashboards` ([Observe](observing.md)); what a single message means stands in
[Troubleshooting](troubleshooting.md).

| alert | who | once it has held for |
|---|---|---|
"""


def runbook() -> str:
    """Gives the page as Markdown."""
    lines = "".join(_line(alert) for alert in ALERTS)
    return _HEAD + lines + "".join(_section(alert) for alert in ALERTS)


def _line(alert: Alert) -> str:
    return f"| [{alert.name}](#{alert.name.lower()}) | {alert.severity} | {_wait(alert)} |\n"


def _section(alert: Alert) -> str:
    says = _SLOT.sub(r"*\1*", alert.says)
    return (
        f"\n## {alert.name}\n\n{says[0].upper()}{says[1:]}.\n\n{alert.runbook}\n\n"
        f"```promql\n{alert.expr}\n```\n"
    )


def _wait(alert: Alert) -> str:
    return "at once" if alert.wait == "0m" else alert.wait.replace("m", " min")
