"""What is wrong is told of the state of now, and nothing of a system that is well."""

from collections import Counter
from dataclasses import replace

import pytest

from graphs.api.page.alarms import alarms_of
from graphs.model_reports import ModelReport
from graphs.observing.at_work import QueueState
from graphs.system import SystemState
from tests.graphs.api.page.conftest import deployment, replica

WELL = deployment(replica("a"), replica("b"))


def queued(waiting):
    return {"Generator": QueueState(waiting=waiting, working=16)}


def told(one=WELL, reports=None, **state):
    return [
        (alarm.where, alarm.severity, alarm.says)
        for alarm in alarms_of(SystemState(deployments=(one,), **state), reports or {})
    ]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"queues": queued(7)},
        {"outcomes": {"answered": 9, "overloaded": 1}},
        {"outcomes": {"overloaded": 2}},
        {"one": replace(WELL, target=0, min_replicas=0, replicas=())},
        {"one": replace(WELL, max_waiting=0), "queues": queued(500)},
    ],
    ids=["well", "queue", "one error", "few answers", "asleep", "no limit"],
)
def test_a_system_that_is_well_has_no_alarm(state):
    assert told(**state) == []


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ({"one": replace(WELL, status="UNHEALTHY", message="it dies")}, ("page", "it dies")),
        ({"one": replace(WELL, status="DEPLOY_FAILED")}, ("page", "is DEPLOY_FAILED")),
        ({"one": deployment(replica("a", "STARTING"))}, ("page", "no replica runs")),
        (
            {"one": deployment(replica("a"), replica("b", "STARTING"))},
            ("ticket", "1 of 2 replicas run"),
        ),
        ({"queues": queued(8)}, ("page", "8 of 10 places of its queue are taken; then 503")),
        (
            {"reports": {"Generator": ModelReport(phase="serving", phase_s=1, failure="no file")}},
            ("ticket", "the model of its settings does not answer: no file"),
        ),
    ],
)
def test_what_is_wrong_with_a_deployment_is_told(state, wanted):
    assert told(**state) == [("Generator", *wanted)]


def test_many_errors_are_told_and_a_client_that_leaves_is_none():
    bad = {"answered": 700, "unavailable": 100, "overloaded": 200}
    says = "300 of 1000 answers in the last 5 minutes ended with an error"
    assert told(outcomes=bad) == [("answers", "page", says)]
    assert told(outcomes=Counter(["cancelled", "declined", "refused"] * 4)) == []


@pytest.mark.parametrize(
    "outcome",
    ["vector_store_not_found", "vector_store_expired", "model_not_found", "invalid_input"],
)
def test_mistakes_of_clients_are_none(outcome):
    assert told(outcomes={outcome: 12}) == []
    assert len(told(outcomes={outcome: 9, "server_error": 3})) == 1
