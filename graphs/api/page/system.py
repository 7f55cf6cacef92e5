"""`/admin/v1/system`: the running system, once and as it changes. Read only."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from graphs.access.callers import tenant_since
from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.replies import json_reply
from graphs.api.border.sse import Frame, SseSender
from graphs.api.border.traffic import Traffic
from graphs.api.page.alarms import Alarm, alarms_of
from graphs.api.services import InjectedCorpus, InjectedServices, Services
from graphs.errors import StageUnavailableError
from graphs.model_reports import ModelReport
from graphs.observing.answers import AnswerState
from graphs.observing.moves import Move
from graphs.system import DeploymentState, NodeState, ReplicaState, SystemState

router = APIRouter(tags=["system"], prefix="/admin/v1/system")

_LOOK_S = 1.0
_FOLLOW_S = 300.0  # a Gateway that shuts down waits for its streams, so each ends and is begun anew


class ServedReplica(BaseModel):
    """One replica."""

    id: str
    state: str
    pid: int | None
    node_id: str
    node_ip: str


class ServedDeployment(BaseModel):
    """One deployment, and the model that it serves.

    `waiting` and `working` are calls of the Gateway that tells; null where it makes none. A replica
    has `slots`; `max_waiting` is 0 where any number may wait.
    """

    name: str
    status: str
    message: str
    target: int
    min_replicas: int
    max_replicas: int
    num_gpus: float
    replicas: list[ServedReplica]
    slots: int
    max_waiting: int
    model: str
    device: str
    waiting: int | None
    working: int | None


class Node(BaseModel):
    """One machine; `used_gpus` is what the replicas on it take.

    `leaves_at` is by when it is to be gone, as after a spot notice; 0 where no time is set.
    """

    id: str
    ip: str
    alive: bool
    market: str
    num_cpus: float
    num_gpus: float
    leaves_at: float | None
    used_gpus: float
    replicas: int


class LastAnswer(BaseModel):
    """How one answer went; no text of it."""

    request_id: str
    ended_at: float
    outcome: str
    latency_ms: float
    tokens: int
    passages: int
    migrations: int
    degraded: list[str]


class LastMove(BaseModel):
    """An answer that went on at another replica, after `position` tokens.

    `reason` is the code of the error by which the one before was lost. `request_id` is empty where
    the answer is another tenant's.
    """

    id: str
    at: float
    request_id: str
    reason: str
    position: int


class System(BaseModel):
    """The system, of all Gateways together; `running` alone is of the one that tells, `gateway`.

    `answers` are those of the caller's tenant alone; all else is of everyone together.
    """

    object: Literal["system"]
    created_at: float
    gateway: str
    deployments: list[ServedDeployment]
    nodes: list[Node]
    answers: list[LastAnswer]
    moves: list[LastMove]
    running: int
    tokens_per_s: float
    alarms: list[Alarm]


async def _traffic_of(request: Request) -> Traffic:
    traffic = request.app.state.traffic
    assert isinstance(traffic, Traffic)
    return traffic


InjectedTraffic = Annotated[Traffic, Depends(_traffic_of)]


@dataclass(frozen=True)
class Audience:
    """Whose answers are told: those of this tenant that ended after it began."""

    tenant: str
    since: float

    def hears(self, tenant: str, at: float) -> bool:
        """Whether it is told whose request it was that did something at this time."""
        return tenant == self.tenant and at >= self.since


async def _audience_of(request: Request, corpus: InjectedCorpus) -> Audience:
    caller = request.state.caller
    return Audience(caller.tenant, await tenant_since(corpus, caller))


InjectedAudience = Annotated[Audience, Depends(_audience_of)]


@router.get("", response_model=System, summary="Look at the running system")
async def get_system(
    services: InjectedServices, traffic: InjectedTraffic, audience: InjectedAudience
) -> Response:
    """Tells deployments, replicas, nodes, and how the last answers to the tenant went here."""
    return json_reply(await _look(services, traffic, audience))


# Not in the description: who makes requests up from it would wait for its end.
@router.get("/events", include_in_schema=False)
async def follow_system(
    services: InjectedServices, traffic: InjectedTraffic, audience: InjectedAudience
) -> Response:
    """Streams the same whenever it has changed."""
    return _Following(services, traffic, audience)


class _Following(Response):
    """Looks again and again, and sends what has changed."""

    def __init__(self, services: Services, traffic: Traffic, audience: Audience) -> None:
        super().__init__()
        self._services = services
        self._look = partial(_look, services, traffic, audience)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, until the client leaves."""
        await unless_disconnected(receive, self._stream(send))

    async def _stream(self, send: Send) -> None:
        http = self._services.config.http
        sender = SseSender(send, write_timeout_s=http.write_s)
        until = time.monotonic() + _FOLLOW_S
        system = await self._look()
        await sender.start({})
        sent = None
        async with sender.heartbeat(http.heartbeat_s):
            while time.monotonic() < until:
                told = system.model_copy(update={"created_at": 0.0})
                if told != sent:
                    await sender.send(Frame(data=system, event="system"))
                    sent = told
                await asyncio.sleep(_LOOK_S)
                try:
                    system = await self._look()
                except StageUnavailableError:
                    continue  # the controller is being replaced: what was told last stands
        await sender.end()


async def _look(services: Services, traffic: Traffic, audience: Audience) -> System:
    state = await services.system.look()
    reports = {_deployment(role): one for role, one in services.reports.latest().items()}
    return System(
        object="system",
        created_at=time.time(),
        gateway=state.gateway,
        deployments=[_served(one, state, reports) for one in state.deployments],
        nodes=[_node(one, state.deployments) for one in state.nodes],
        answers=[_answer(one) for one in state.answers if audience.hears(one.tenant, one.ended_at)],
        moves=[_move(one, audience) for one in state.moves],
        running=traffic.num_waiting,
        tokens_per_s=state.tokens_per_s,
        alarms=alarms_of(state, reports),
    )


def _deployment(role: str) -> str:
    """Gives the name of the deployment that has a role: SafetyFilter for safety_filter."""
    return "".join(word.capitalize() for word in role.split("_"))


def _served(
    one: DeploymentState, state: SystemState, reports: Mapping[str, ModelReport]
) -> ServedDeployment:
    report, queue = reports.get(one.name), state.queues.get(one.name)
    return ServedDeployment(
        **asdict(one),
        model=report.model if report else "",
        device=report.device if report else "",
        waiting=queue.waiting if queue else None,
        working=queue.working if queue else None,
    )


def _node(node: NodeState, deployments: tuple[DeploymentState, ...]) -> Node:
    def here(replica: ReplicaState) -> bool:
        return replica.node_id == node.id

    counts = {one: sum(map(here, one.replicas)) for one in deployments}
    used = sum(one.num_gpus * count for one, count in counts.items())
    return Node(**asdict(node), used_gpus=round(used, 3), replicas=sum(counts.values()))


def _answer(one: AnswerState) -> LastAnswer:
    told = asdict(one) | {"degraded": list(one.degraded)}
    del told["tenant"]
    return LastAnswer(**told)


def _move(one: Move, audience: Audience) -> LastMove:
    request_id = one.request_id if audience.hears(one.tenant, one.at) else ""
    return LastMove(
        id=one.id, at=one.at, request_id=request_id, reason=one.reason, position=one.position
    )
