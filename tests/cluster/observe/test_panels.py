"""Panels ask for metrics that exist, in the words of Prometheus."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import ray

from cluster.observe import prometheus
from cluster.observe.alerts import ALERTS
from cluster.observe.panel import WINDOW
from cluster.observe.panels import DASHBOARDS
from cluster.observe.written import grafana, rules
from cluster.spot_watcher import SpotMetrics
from deployments.engine_metrics import COUNTERS, GAUGES, HISTOGRAMS, told_name
from deployments.observing.metrics import METRICS, Metric

QUERIES = [
    query for page in DASHBOARDS.values() for panel in page.panels
    for query in panel.queries.values()
]  # fmt: skip
OURS = re.compile(r"ray_(?:ragfleet|gen_ai)_\w+")
OF_RAY = re.compile(r"\bray_((?:serve|node)_\w+)")
OF_SPOT = re.compile(r"\bspot_\w+")
RAY = Path(ray.__file__).parent
RAY_SOURCES = (*RAY.glob("serve/_private/*.py"), *RAY.glob("dashboard/modules/reporter/*.py"))


def engine_metrics():
    """Those of the engines have a table of their own, beside the one of all others."""
    kinds = {"gauge": GAUGES, "counter": COUNTERS, "histogram": HISTOGRAMS}
    return {
        told_name(name): Metric(kind=kind, help=name)
        for kind, table in kinds.items()
        for name in table
    }


def exported():
    for name, metric in (METRICS | engine_metrics()).items():
        shown = metric.exported(name)
        parts = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        yield from (f"{shown}{part}" for part in parts)


@pytest.mark.parametrize("query", [*QUERIES, *(alert.expr for alert in ALERTS)])
def test_a_query_asks_for_metrics_of_the_table(query):
    assert set(OURS.findall(query)) <= set(exported())


def test_what_is_asked_of_ray_and_of_the_watcher_is_told_by_them():
    asked = " ".join([*QUERIES, *(alert.expr for alert in ALERTS)])
    told = "".join(path.read_text() for path in RAY_SOURCES)
    names = {name.removesuffix("_total") for name in OF_RAY.findall(asked)}
    formed = {"serve_num_http_requests": 'f"serve_num_{'}  # of the name of the protocol
    missing = {name for name in names if formed.get(name, f'"{name}') not in told}
    assert missing == set()
    watcher = {one.name for one in SpotMetrics().registry.collect()}
    ends = r"_(?:total|bucket|sum|count)$"
    assert {re.sub(ends, "", name) for name in OF_SPOT.findall(asked)} <= watcher


def test_every_metric_is_on_a_dashboard():
    shown = {name for query in QUERIES for name in OURS.findall(query)}
    missing = [
        name for name, metric in (METRICS | engine_metrics()).items()
        if not any(one.startswith(metric.exported(name)) for one in shown)
    ]  # fmt: skip
    assert missing == []


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


def test_what_a_reader_chooses_is_asked_by_every_panel_of_the_page():
    asked = {
        (panel.title, name): all(f'=~"${name}"' in query for query in panel.queries.values())
        for page in DASHBOARDS.values()
        for panel in page.panels
        for name in page.variables
    }
    assert len(asked) > 20
    assert [where for where, is_so in asked.items() if not is_so] == []


def sample(labels, value):
    return {"labels": f"{{{labels}}}", "value": value}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="apt-get install prometheus")
@pytest.mark.parametrize(
    ("title", "told", "shown"),
    [
        ("Cost of an hour", {'ray_ragfleet_cost_total{currency="EUR"}': "0+1x200"},
         sample('currency="EUR"', 60)),
        ("Spot notices", {'spot_notices_total{kind="rebalance", source="aws"}': "0+1x200"},
         sample('kind="rebalance", source="aws"', 60)),
        ("Errors of stages",
         {'ray_ragfleet_stage_errors_total{error_type="full", stage="embed"}': "0+60x200"},
         sample('error_type="full", stage="embed"', 1)),
        ("Tokens written a second",
         {'ray_ragfleet_engine_generated_tokens_total{replica="1"}': "0+60x200"},
         sample('replica="1"', 1)),
        ("GPU memory",
         {'ray_node_gram_used{GpuIndex="0", ip="::1"}': "1x200",
          'ray_node_gram_available{GpuIndex="0", ip="::1"}': "3x200"},
         sample('GpuIndex="0", ip="::1"', 0.25)),
    ],
)  # fmt: skip
def test_a_panel_shows_zero_until_something_is_counted_and_then_that_alone(
    tmp_path, title, told, shown
):
    (panel,) = (one for page in DASHBOARDS.values() for one in page.panels if one.title == title)
    (query,) = panel.queries.values()
    query = re.sub(r"\$\w+", ".*", query.replace(WINDOW, "5m"))
    series = [{"series": name, "values": values} for name, values in told.items()]
    tests = [
        {
            "interval": "1m", "input_series": given,
            "promql_expr_test": [{"expr": query, "eval_time": "2h", "exp_samples": [wanted]}],
        }
        for given, wanted in (([], sample("", 0)), (series, shown))
    ]  # fmt: skip
    (tmp_path / "test.yml").write_text(json.dumps({"tests": tests}))
    command = ["promtool", "test", "rules", "test.yml"]
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
