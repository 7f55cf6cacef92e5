"""Every alert fires in what provokes it and is silent on a system that works; promtool judges."""

import shutil
import subprocess

import pytest
import yaml

from cluster.observe.alerts import ALERTS
from cluster.observe.runbook import runbook
from cluster.observe.written import files, rules

# Seconds between two samples, and so many of them: an hour and a half.
STEP_S, NUM = 60, 90
GOOD = {
    'ray_serve_deployment_replica_healthy{deployment="Gateway"}': "1x90",
    'ray_serve_deployment_replica_healthy{deployment="Generator"}': "1x90",
    'ray_serve_deployment_queued_queries{deployment="Generator"}': "2x90",
    'ray_ragfleet_requests_total{operation="chat",outcome="answered"}': "0+600x90",
    'ray_ragfleet_requests_total{operation="chat",outcome="declined"}': "0+60x90",
    'ray_ragfleet_degraded_total{stage="rerank"}': "0+1x90",
    "ray_ragfleet_migrations_total": "0+1x90",
    'ray_gen_ai_server_time_to_first_token_seconds_bucket{le="1.0"}': "0+590x90",
    'ray_gen_ai_server_time_to_first_token_seconds_bucket{le="10.0"}': "0+600x90",
    'ray_gen_ai_server_time_to_first_token_seconds_bucket{le="30.0"}': "0+600x90",
    'ray_gen_ai_server_time_to_first_token_seconds_bucket{le="+Inf"}': "0+600x90",
    "ray_ragfleet_ingest_lag_seconds": "5x90",
    'ray_ragfleet_files{status="failed"}': "3x90",
    'ray_node_mem_used{ip="10.0.0.1"}': "50x90",
    'ray_node_mem_total{ip="10.0.0.1"}': "100x90",
    'spot_notices_total{source="aws",kind="terminate"}': "0x90",
    "spot_metadata_up": "1x90",
}
CHAT = 'ray_ragfleet_requests_total{operation="chat",outcome='
FIRST = "ray_gen_ai_server_time_to_first_token_seconds_bucket"
# What of the above is otherwise; the labels that the alert then has.
BAD = {
    "RagfleetDown": (
        {'ray_serve_deployment_replica_healthy{deployment="Gateway"}': "0x90"}, {},
    ),
    "RagfleetRequestsFail": ({f'{CHAT}"overloaded"}}': "0+60x90"}, {}),
    "RagfleetSlowFirstToken": (
        {f'{FIRST}{{le="{end}"}}': "0+1x90" for end in ("1.0", "10.0")}, {},
    ),
    "RagfleetReplicaUnhealthy": (
        {'ray_serve_deployment_replica_healthy{deployment="Generator"}': "0x90"},
        {"deployment": "Generator"},
    ),
    "RagfleetStageLeftOut": (
        {'ray_ragfleet_degraded_total{stage="rerank"}': "0+300x90"}, {"stage": "rerank"},
    ),
    "RagfleetDeclinesMuch": ({f'{CHAT}"declined"}}': "0+2000x90"}, {}),
    "RagfleetQueueFull": (
        {'ray_serve_deployment_queued_queries{deployment="Generator"}': "60x90"},
        {"deployment": "Generator"},
    ),
    "RagfleetAnswersMove": ({"ray_ragfleet_migrations_total": "0+60x90"}, {}),
    "RagfleetIngestionLags": ({"ray_ragfleet_ingest_lag_seconds": "0+60x90"}, {}),
    "RagfleetIngestionFails": (
        {'ray_ragfleet_files{status="failed"}': "0+1x90"}, {"status": "failed"},
    ),
    "RagfleetMemoryShort": ({'ray_node_mem_used{ip="10.0.0.1"}': "96x90"}, {"ip": "10.0.0.1"}),
    "RagfleetSpotNotice": (
        {'spot_notices_total{source="aws",kind="terminate"}': "0+1x90"},
        {"source": "aws", "kind": "terminate"},
    ),
    "RagfleetSpotWatcherBlind": ({"spot_metadata_up": "0x90"}, {}),
}  # fmt: skip

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool: apt-get install prometheus"
)


def promtool(tmp_path, groups):
    (tmp_path / "rules.yml").write_text(rules())
    test = {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP_S}s", "tests": groups}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    command = ["promtool", "test", "rules", "test.yml"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def case(changed, expected):
    """One test of promtool: which alerts fire, with which labels."""
    series = [{"series": name, "values": values} for name, values in (GOOD | changed).items()]
    at = f"{(NUM - 10) * STEP_S}s"
    return {
        "interval": f"{STEP_S}s",
        "input_series": series,
        "alert_rule_test": [
            {"eval_time": at, "alertname": alert.name, "exp_alerts": expected.get(alert.name, [])}
            for alert in ALERTS
            if alert.name in expected or not changed
        ],
    }


@needs_promtool
def test_no_alert_fires_on_a_system_that_works(tmp_path):
    found = promtool(tmp_path, [case({}, {})])
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_fires_in_what_provokes_it(tmp_path, alert):
    changed, labels = BAD[alert.name]
    found = promtool(tmp_path, [case(changed, {alert.name: []})])
    assert found.returncode == 1, "it does not fire"
    told = found.stdout + found.stderr
    assert f'alertname="{alert.name}"' in told
    assert all(f'{name}="{value}"' in told for name, value in labels.items())
    assert f'severity="{alert.severity}"' in told


def test_every_alert_says_what_to_do():
    assert set(BAD) == {alert.name for alert in ALERTS}
    assert all(len(alert.runbook) > 40 for alert in ALERTS)


def test_the_runbook_has_every_alert_and_no_slots_that_prometheus_fills():
    page = runbook()
    for alert in ALERTS:
        assert f"| [{alert.name}](#{alert.name.lower()}) |" in page
        assert f"\n## {alert.name}\n" in page
        assert alert.runbook in page
    assert "{{" not in page
    assert "*value* calls wait for *deployment*." in page.casefold()


def test_the_files_are_those_of_the_tables():
    assert [path.name for path, text in files().items() if path.read_text() != text] == []
