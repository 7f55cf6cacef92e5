"""What somebody has to look at now, told from the state of the system alone.

Alerts that look back over time are Prometheus's (cluster/observe/alerts.py); these need none.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import BaseModel

from graphs.api.faults import is_fault
from graphs.model_reports import ModelReport
from graphs.observing.answers import WINDOW_S
from graphs.system import DeploymentState, SystemState

_NEARLY_FULL = 0.8
# Of the answers of all Gateways; fewer tell nothing.
_MIN_ANSWERS, _FAILED_SHARE = 10, 0.2


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
    return [*found, *_of_answers(state.outcomes)]


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


def _of_answers(outcomes: Mapping[str, int]) -> Iterator[Alarm]:
    total = sum(outcomes.values())
    failed = sum(count for outcome, count in outcomes.items() if is_fault(outcome))
    if total >= _MIN_ANSWERS and failed >= _FAILED_SHARE * total:
        when = f"in the last {WINDOW_S // 60} minutes"
        says = f"{failed} of {total} answers {when} ended with an error"
        yield Alarm(where="answers", severity="page", says=says)
