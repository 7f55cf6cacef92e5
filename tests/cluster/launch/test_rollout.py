"""Waiting for a release: what KubeRay tells of a RayService, by a stand-in for kubectl."""

import json

import pytest

from cluster.launch.rollout import main, progress


def service(*, seen=2, upgrade="False", active="RUNNING", pending=None, ready="True", reason="X"):
    def applications(status):
        return {} if status is None else {"ragfleet": {"status": status, "message": "no GPU"}}

    return {
        "metadata": {"generation": 2},
        "status": {
            "observedGeneration": seen,
            "conditions": [
                {"type": "Ready", "status": ready, "reason": reason, "message": "because"},
                {"type": "UpgradeInProgress", "status": upgrade},
            ],
            "activeServiceStatus": {"applicationStatuses": applications(active)},
            "pendingServiceStatus": {"applicationStatuses": applications(pending)},
        },
    }


@pytest.mark.parametrize(
    ("state", "told", "given"),
    [
        ("waiting", "seen generation 1 of 2", service(seen=1)),
        ("waiting", "seen generation 0 of 2", {"metadata": {"generation": 2}}),
        ("waiting", "a new Ray cluster is starting", service(upgrade="True", active=None)),
        ("waiting", "a new Ray cluster is starting", service(upgrade="True", pending="DEPLOYING")),
        (
            "waiting",
            "not every application runs: {'ragfleet': 'D",
            service(active="DEPLOYING"),
        ),
        ("waiting", "there is none yet", service(active=None)),
        ("waiting", "not ready: because", service(ready="False")),
        ("failed", "'ragfleet' is DEPLOY_FAILED: no GPU", service(active="DEPLOY_FAILED")),
        ("failed", "is UNHEALTHY: no GPU", service(upgrade="True", pending="UNHEALTHY")),
        ("failed", "ValidationFailed: because", service(seen=1, reason="ValidationFailed")),
        ("running", "running: ragfleet", service()),
    ],
)
def test_ready_alone_does_not_say_that_the_newest_spec_is_served(state, told, given):
    found = progress(given)
    assert found.state == state
    assert told in found.why


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """Answers with one service after another, the last for ever; None: the API is away."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def answers(*services):
        for number, one in enumerate(services):
            text = "" if one is None else json.dumps(one)
            (tmp_path / f"answer-{number}").write_text(text)
        script = tmp_path / "kubectl"
        script.write_text(f"""#!/bin/sh
cd {tmp_path}
echo "$*" >> calls
n=$(($(wc -l < calls) - 1))
[ -e answer-$n ] || n={len(services) - 1}
[ -s answer-$n ] || {{ echo "no connection" >&2; exit 1; }}
cat answer-$n
""")
        script.chmod(0o755)
        return tmp_path / "calls"

    return answers


def wait(timeout_s=60.0):
    return main(["mine", "--namespace=there", "--every-s=0", f"--timeout-s={timeout_s}"])


def test_it_waits_through_the_whole_of_an_upgrade(kubectl, capsys):
    upgrade = service(upgrade="True", active=None, pending="DEPLOYING")
    calls = kubectl(service(seen=1), None, upgrade, service())
    assert wait() == 0
    lines = calls.read_text().splitlines()
    assert lines == ["--namespace there get rayservice/mine --output=json"] * 6
    assert "no connection" in capsys.readouterr().out


@pytest.mark.parametrize("stale", ["RUNNING", "DEPLOY_FAILED"])
def test_what_was_read_before_the_new_config_was_handed_over_does_not_count(kubectl, stale):
    calls = kubectl(service(active=stale), service(active="DEPLOYING"), service())
    assert wait() == 0
    assert len(calls.read_text().splitlines()) == 5


def test_a_failed_application_ends_it_with_its_message(kubectl, capsys):
    kubectl(service(active="DEPLOY_FAILED"))
    assert wait() == 1
    assert "application 'ragfleet' is DEPLOY_FAILED: no GPU" in capsys.readouterr().out


def test_it_does_not_wait_for_ever(kubectl, capsys):
    kubectl(service(upgrade="True", active=None))
    assert wait(timeout_s=0.3) == 1
    assert "not served after 0.3 s: a new Ray cluster is starting" in capsys.readouterr().out
