"""Dashboards as Grafana reads them, alerts as Prometheus does, and the page about those."""

import json
from pathlib import Path
from typing import Any

import yaml

from cluster.observe.alerts import ALERTS, Alert
from cluster.observe.panel import Dashboard, Panel
from cluster.observe.panels import DASHBOARDS
from cluster.observe.runbook import runbook

HERE = Path(__file__).parent
_DOCS = HERE.parents[1] / "docs"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 2


def files() -> dict[Path, str]:
    """Gives every file that the tables make, with its text."""
    made = {HERE / "rules.yml": rules(), _DOCS / "runbook.md": runbook()}
    for name, dashboard in DASHBOARDS.items():
        text = json.dumps(grafana(name, dashboard), indent=1) + "\n"
        made[HERE / "dashboards" / f"{name}.json"] = text
    return made


def grafana(name: str, dashboard: Dashboard) -> dict[str, Any]:
    """Gives a dashboard in Grafana's schema 39."""
    chosen = [
        {
            "name": variable, "type": "query", "query": query, "datasource": _SOURCE,
            "includeAll": True, "multi": True, "refresh": 2, "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }
        for variable, query in dashboard.variables.items()
    ]  # fmt: skip
    source = {"name": "datasource", "type": "datasource", "query": "prometheus"}
    return {
        "uid": f"ragfleet-{name}",
        "title": dashboard.title,
        "tags": ["ragfleet"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [source, *chosen]},
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend}
            for place, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def rules() -> str:
    """Gives the rules of Prometheus."""
    group = {"name": "ragfleet", "rules": [_rule(alert) for alert in ALERTS]}
    head = "# Written by `python -m cluster.observe` from cluster/observe/alerts.py.\n"
    return head + yaml.safe_dump({"groups": [group]}, sort_keys=False, width=100)


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.wait,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.says, "runbook": alert.runbook},
    }
