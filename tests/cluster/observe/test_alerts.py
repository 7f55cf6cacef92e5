"""Every alert fires in what provokes it and is silent on a system that works; promtool judges."""

import shutil
import subprocess
from itertools import accumulate

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
    'ray_serve_deployment_status{deployment="Gateway"}': "6x90",
    'ray_serve_deployment_status{deployment="Generator"}': "3x2 4x10 6x90",
    'ray_serve_autoscaling_target_replicas{deployment="Generator"}': "1x90",
    'ray_serve_autoscaling_target_replicas{deployment="Asleep"}': "0x90",
    'ray_serve_deployment_queued_queries{deployment="Generator"}': "2x90",
    'up{job="ray",instance="10.0.0.1:8080"}': "1x90",
    'up{job="spot",instance="127.0.0.1:9465",optional="yes"}': "0x90",
    'ray_ragfleet_requests_total{operation="chat",outcome="answered"}': "0+600x90",
    'ray_ragfleet_requests_total{operation="chat",outcome="declined"}': "0+60x90",
    'ray_ragfleet_degraded_total{stage="rerank"}': "0+1x90",
    "ray_ragfleet_migrations_total": "0+1x90",
    'ray_gen_ai_server_time_to_first_token_seconds_bucket{le="1.0"}': "0+590x90",
    'ray_gen_ai_server_time_to_first_token_seconds_bucket{le="10.0"}': "0+600x90",
    'ray_gen_ai_server_time_to_first_token_seconds_bucket{le="30.0"}': "0+600x90",
    'ray_gen_ai_server_time_to_first_token_seconds_bucket{le="+Inf"}': "0+600x90",
    "ray_ragfleet_ingest_lag_seconds": "5x90",
    'ray_ragfleet_files{status="failed",replica="a",store="s"}': "3x90",
    'ray_ragfleet_files{status="failed",replica="a",store="t"}': "5x60 2x30",
    'ray_ragfleet_files{status="failed",replica="b",store="s"}': "_x75 3x15",
    'ray_ragfleet_files{status="failed",replica="b",store="t"}': "_x75 2x15",
    'ray_node_mem_used{ip="10.0.0.1"}': "50x90",
    'ray_node_mem_total{ip="10.0.0.1"}': "100x90",
    'spot_notices_total{source="aws",kind="terminate"}': "0x90",
    "spot_metadata_up": "1x90",
}
CHAT = 'ray_ragfleet_requests_total{operation="chat",outcome='
FIRST = "ray_gen_ai_server_time_to_first_token_seconds_bucket"
# A replica is lost and no other one becomes healthy, as Ray 2.60 was seen to tell it: a 0 of the
# lost one, then nothing of it, and the status of the deployment all the time.
LOST = {
    'ray_serve_deployment_replica_healthy{deployment="Generator"}': "1x20 0 _x69",
    'ray_serve_deployment_status{deployment="Generator"}': "6x20 2x69",
}
# What of the above is otherwise; the labels that the alert then has.
BAD = {
    "RagfleetDown": (
        {'ray_serve_deployment_replica_healthy{deployment="Gateway"}': "0x90"}, {},
    ),
    "RagfleetRequestsFail": ({f'{CHAT}"overloaded"}}': "0+60x90"}, {}),
    "RagfleetSlowFirstToken": (
        {f'{FIRST}{{le="{end}"}}': "0+1x90" for end in ("1.0", "10.0")}, {},
    ),
    "RagfleetReplicaUnhealthy": (LOST, {"deployment": "Generator"}),
    "RagfleetReplicasMissing": (
        {'ray_serve_autoscaling_target_replicas{deployment="Generator"}': "2x90"},
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
        {
            'ray_ragfleet_files{status="failed",replica="a",store="s"}': "_x74 3x2 4x20",
            'ray_ragfleet_files{status="failed",replica="a",store="t"}': "_x74 2x20",
            'ray_ragfleet_files{status="failed",replica="b",store="s"}': "_x75 3 4x20",
        },
        {"status": "failed"},
    ),
    "RagfleetMemoryShort": ({'ray_node_mem_used{ip="10.0.0.1"}': "96x90"}, {"ip": "10.0.0.1"}),
    "RagfleetSpotNotice": (
        {'spot_notices_total{source="aws",kind="terminate"}': "0+1x90"},
        {"source": "aws", "kind": "terminate"},
    ),
    "RagfleetSpotWatcherBlind": ({"spot_metadata_up": "0x90"}, {}),
    "RagfleetNotScraped": (
        {'up{job="spot",instance="10.0.0.2:9465"}': "1x50 0x40"},
        {"job": "spot", "instance": "10.0.0.2:9465"},
    ),
}  # fmt: skip

EVENING = [100] * 60 + [max(0, 100 - 8 * minute) for minute in range(30)]


def grown(by_minute):
    """The samples of a counter that grows by so much each minute."""
    return " ".join(f"{one:g}" for one in accumulate(by_minute))


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


@needs_promtool
@pytest.mark.parametrize(
    ("alert", "changed"),
    [
        ("RagfleetRequestsFail", {f'{CHAT}"{code}"}}': "0+600x90"})
        for code in ("vector_store_not_found", "context_length_exceeded", "invalid_input")
    ] + [
        # Every other minute somebody asks, in vain.
        ("RagfleetRequestsFail", {
            f'{CHAT}"answered"}}': "5x90", f'{CHAT}"declined"}}': "5x90",
            f'{CHAT}"overloaded"}}': "0+0.5x90",
        }),
        # Fewer and fewer ask, and then nobody.
        ("RagfleetAnswersMove", {
            f'{CHAT}"answered"}}': grown(EVENING), f'{CHAT}"declined"}}': "0x90",
            "ray_ragfleet_migrations_total": grown(0.04 * one for one in EVENING),
        }),
        # Serve starts a replica in the place of a lost one, and it runs.
        ("RagfleetReplicaUnhealthy", {
            'ray_serve_deployment_replica_healthy{deployment="Generator",replica="1"}':
            "1x77 0 _x20",
            'ray_serve_deployment_status{deployment="Generator"}': "6x77 2x2 6x20",
        }),
    ],
)  # fmt: skip
def test_an_alert_is_silent_where_nobody_has_to_look(tmp_path, alert, changed):
    found = promtool(tmp_path, [case(changed, {alert: []})])
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
def test_what_is_told_of_more_failed_files_is_their_number(tmp_path):
    changed, _ = BAD["RagfleetIngestionFails"]
    told = promtool(tmp_path, [case(changed, {"RagfleetIngestionFails": []})])
    assert 'summary="1 more files could not be read"' in told.stdout + told.stderr


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
