"""Panels ask for metrics that exist, in the words of Prometheus."""

import json
import re
import shutil
import subprocess

import pytest

from cluster.observe import prometheus
from cluster.observe.alerts import ALERTS
from cluster.observe.panel import WINDOW
from cluster.observe.panels import DASHBOARDS
from cluster.observe.written import grafana, rules
from deployments.observing.metrics import METRICS

QUERIES = [
    query for page in DASHBOARDS.values() for panel in page.panels
    for query in panel.queries.values()
]  # fmt: skip
# Those of the engines have a table of their own, beside them.
OURS = re.compile(r"ray_(?:ragfleet(?!_engine)|gen_ai)_\w+")


def exported():
    for name, metric in METRICS.items():
        shown = metric.exported(name)
        parts = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        yield from (f"{shown}{part}" for part in parts)


@pytest.mark.parametrize("query", [*QUERIES, *(alert.expr for alert in ALERTS)])
def test_a_query_asks_for_metrics_of_the_table(query):
    assert set(OURS.findall(query)) <= set(exported())


def test_every_metric_is_on_a_dashboard():
    shown = {name for query in QUERIES for name in OURS.findall(query)}
    missing = [
        name for name, metric in METRICS.items()
        if not any(one.startswith(metric.exported(name)) for one in shown)
    ]  # fmt: skip
    assert missing == ["gen_ai_client_token_usage"]  # for those who compare with other servers


@pytest.mark.skipif(shutil.which("promtool") is None, reason="apt-get install prometheus")
def test_prometheus_can_read_every_query_and_the_config(tmp_path):
    rule = {"groups": [{"name": "panels", "rules": []}]}
    rule["groups"][0]["rules"] = [
        {"record": f"panel_{number}", "expr": query.replace(WINDOW, "1m").replace("$", "x")}
        for number, query in enumerate(QUERIES)
    ]
    (tmp_path / "panels.yml").write_text(json.dumps(rule))
    (tmp_path / "rules.yml").write_text(rules())
    (tmp_path / "prometheus.yml").write_text(prometheus.config(tmp_path))
    for kind, name in [
        ("rules", "panels.yml"),
        ("rules", "rules.yml"),
        ("config", "prometheus.yml"),
    ]:
        command = ["promtool", "check", kind, name]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout + found.stderr


def test_panels_of_a_page_do_not_overlap_and_have_names_of_their_own():
    for name, page in DASHBOARDS.items():
        panels = grafana(name, page)["panels"]
        assert len({(one["gridPos"]["x"], one["gridPos"]["y"]) for one in panels}) == len(panels)
        assert len({one["title"] for one in panels}) == len(panels)


def test_without_prometheus_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = prometheus.running(tmp_path, tmp_path, 1)
    with pytest.raises(prometheus.NoPrometheusError, match="apt-get install prometheus"):
        wanted.__enter__()
