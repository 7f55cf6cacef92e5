"""What somebody has to look at now, told from the state of the system alone.

Alerts that look back over time are Prometheus's (cluster/observe/alerts.py); these need none.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import BaseModel

from graphs.api.errors import ERROR_TABLE, SERVER, ApiError
from graphs.errors import GraphError
from graphs.model_reports import ModelReport
from graphs.observing.answers import AnswerState
from graphs.system import DeploymentState, SystemState
from index.errors import CorpusError
from models.errors import ModelError

_NEARLY_FULL = 0.8
# Of the last answers of a Gateway; fewer tell nothing.
_MIN_ANSWERS, _FAILED_SHARE, _ANSWERS_S = 10, 0.2, 300


class Alarm(BaseModel):
    """One thing that is wrong.

    `severity` is `page` where questions go without an answer, else `ticket`; `where` is a
    deployment, or `answers`.
    """

    where: str
    severity: Literal["page", "ticket"]
    says: str


def alarms_of(state: SystemState, reports: Mapping[str, ModelReport]) -> list[Alarm]:
    """Gives what is wrong, by deployment.

    Args:
        state: of the system.
        reports: of the models, by the name of their deployment.
    """
    found = [alarm for one in state.deployments for alarm in _of_deployment(one, state, reports)]
    return [*found, *_of_answers(state.answers)]


def _of_deployment(
    one: DeploymentState, state: SystemState, reports: Mapping[str, ModelReport]
) -> Iterator[Alarm]:
    running = sum(replica.state == "RUNNING" for replica in one.replicas)
    if not one.is_well:
        yield Alarm(where=one.name, severity="page", says=one.message or f"is {one.status}")
    if not running and not one.may_sleep:
        yield Alarm(where=one.name, severity="page", says="no replica runs")
    elif running < one.target and running:
        says = f"{running} of {one.target} replicas run"
        yield Alarm(where=one.name, severity="ticket", says=says)
    queue = state.queues.get(one.name)
    if queue is not None and one.max_waiting and queue.waiting >= _NEARLY_FULL * one.max_waiting:
        says = f"{queue.waiting} of {one.max_waiting} places of its queue are taken; then 503"
        yield Alarm(where=one.name, severity="page", says=says)
    report = reports.get(one.name)
    if report is not None and report.failure:
        says = f"the model of its settings does not answer: {report.failure}"
        yield Alarm(where=one.name, severity="ticket", says=says)


def _of_answers(answers: tuple[AnswerState, ...]) -> Iterator[Alarm]:
    since = time.time() - _ANSWERS_S
    recent = [one.outcome for one in answers if one.ended_at > since]
    failed = sum(outcome in _FAULTS for outcome in recent)
    if len(recent) >= _MIN_ANSWERS and failed >= _FAILED_SHARE * len(recent):
        says = f"{failed} of the last {len(recent)} answers of this Gateway ended with an error"
        yield Alarm(where="answers", severity="page", says=says)


def _statuses(error: type[Exception]) -> Iterator[tuple[str, int]]:
    """Gives the codes of this class and those below, with the status of each."""
    kind = next(ERROR_TABLE[one] for one in error.__mro__ if one in ERROR_TABLE)
    yield str(getattr(error, "code", SERVER)), kind.status
    for below in error.__subclasses__():
        yield from _statuses(below)


def _faults() -> frozenset[str]:
    """The codes of what is the server's own fault; the others are mistakes of who asks."""
    trees = (ApiError, GraphError, ModelError, CorpusError)
    every = [one for tree in trees for one in _statuses(tree)]
    of_clients = {code for code, status in every if status < 500}
    return frozenset({SERVER, *(code for code, _ in every)} - (of_clients - {SERVER}))


_FAULTS = _faults()
