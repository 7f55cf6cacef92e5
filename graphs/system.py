"""The running system as people look at it: deployments, replicas, nodes, the last answers.

What Serve's controller and Ray tell; nobody is asked who answers questions, so looking costs them
nothing. No text of a user stands in it.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import serve
from ray._private.worker import global_worker
from ray.exceptions import RayError
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException

from graphs.errors import StageUnavailableError
from graphs.observing.answers import AnswerState
from graphs.observing.at_work import AllWork, AtWork, QueueState
from graphs.observing.moves import Move
from graphs.serve_config.differences import as_config

logger = logging.getLogger(__name__)

_FRESH_S = 1.0
_ASK_S = 5.0
_WELL = ("HEALTHY", "UPSCALING", "DOWNSCALING", "UPDATING")  # Serve's words
_MARKET = "ray.io/market-type"


@dataclass(frozen=True, kw_only=True)
class ReplicaState:
    """One replica of a deployment; `state` is Serve's word, such as `RUNNING`."""

    id: str
    state: str
    pid: int | None
    node_id: str
    node_ip: str


@dataclass(frozen=True, kw_only=True)
class DeploymentState:
    """One deployment.

    Attributes:
        status: Serve's word, such as `HEALTHY`; `message` says what is wrong.
        target: how many replicas there should be now.
        min_replicas: of its autoscaling, as `max_replicas`; both 0 where it is not scaled.
        num_gpus: the share of a GPU that each replica takes.
        slots: calls that a replica works at, at once.
        max_waiting: calls that may wait for it at one Gateway; 0: any number.
    """

    name: str
    status: str
    message: str
    target: int
    min_replicas: int
    max_replicas: int
    num_gpus: float
    replicas: tuple[ReplicaState, ...]
    slots: int = 0
    max_waiting: int = 0

    @property
    def is_well(self) -> bool:
        """Whether Serve finds nothing wrong with it."""
        return self.status in _WELL

    @property
    def may_sleep(self) -> bool:
        """Whether it may have no replica, and is well: the next call starts one."""
        return self.min_replicas == 0 < self.max_replicas and self.is_well


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """One machine.

    Attributes:
        market: `spot`, `on-demand` or empty, where nothing labels it.
        leaves_at: by when it is to leave, in seconds since 1970, as after a spot notice; 0: soon;
            None: it stays.
    """

    id: str
    ip: str
    alive: bool
    market: str
    num_cpus: float
    num_gpus: float
    leaves_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class SystemState:
    """The system at one time.

    Attributes:
        gateway: an id of the one that tells.
        answers: the last ones of all tenants, newest first; this and all below of all Gateways.
        outcomes: how many answers ended in which way, in the last five minutes.
        queues: by deployment, the calls to it.
        moves: of answers of all tenants, newest first.
    """

    gateway: str = ""
    deployments: tuple[DeploymentState, ...] = ()
    nodes: tuple[NodeState, ...] = ()
    answers: tuple[AnswerState, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    tokens_per_s: float = 0.0
    queues: Mapping[str, QueueState] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunningConfig:
    """The Serve config of what runs, in the form of the YAML, and the name of this application."""

    name: str
    value: Mapping[str, Any]


class SystemView:
    """Looks at the system, for any number of people at most once a second.

    Args:
        work: what all Gateways do; None: nothing.
    """

    def __init__(self, work: AllWork | None = None) -> None:
        self._work = work or AllWork(lambda: AtWork(gateway=""))
        self._turn = asyncio.Lock()
        self._looked_at = float("-inf")
        self._seen: tuple[tuple[DeploymentState, ...], tuple[NodeState, ...]] = ((), ())

    async def look(self) -> SystemState:
        """Tells the state of now.

        Raises:
            StageUnavailableError: Serve's controller does not answer.
        """
        async with self._turn:
            if time.monotonic() - self._looked_at > _FRESH_S:
                self._seen = await asyncio.to_thread(_ask)
                if _num_gateways(self._seen[0]) > 1:
                    await self._work.ask()
                else:
                    self._work.take(())
                self._looked_at = time.monotonic()
        deployments, nodes = self._seen
        work = self._work.now()
        return SystemState(
            gateway=work.gateway,
            deployments=deployments,
            nodes=nodes,
            answers=work.answers,
            outcomes=work.outcomes,
            tokens_per_s=round(work.tokens_per_s, 1),
            queues=work.queues,
            moves=work.moves,
        )

    async def running(self) -> RunningConfig:
        """Tells the config of what runs.

        Raises:
            StageUnavailableError: Serve's controller does not answer.
        """
        details, name, _ = await asyncio.to_thread(_told)
        return RunningConfig(name=name, value=as_config(details))


def _ask() -> tuple[tuple[DeploymentState, ...], tuple[NodeState, ...]]:
    details, name, nodes = _told()
    found = details["applications"].get(name, {}).get("deployments", {})
    with _lost_as_unavailable():
        leaving = global_worker.gcs_client.get_draining_nodes(timeout=_ASK_S)
    return tuple(map(deployment_of, found.values())), tuple(node_of(one, leaving) for one in nodes)


def _num_gateways(deployments: tuple[DeploymentState, ...]) -> int:
    own = serve.get_replica_context().deployment
    return sum(len(one.replicas) for one in deployments if one.name == own)


def _told() -> tuple[Mapping[str, Any], str, Sequence[Mapping[str, Any]]]:
    """Gives what Serve tells of itself, the name of the application that asks, and Ray's nodes."""
    with _lost_as_unavailable():
        # As Serve's REST API asks: its public calls tell nothing of single replicas.
        controller = _get_global_client()._controller
        details = ray.get(controller.get_serve_instance_details.remote(), timeout=_ASK_S)
        return details, serve.get_replica_context().app_name, ray.nodes()


@contextmanager
def _lost_as_unavailable() -> Iterator[None]:
    """The head may be lost between any two questions."""
    try:
        yield
    except (RayError, RayServeException) as err:
        raise StageUnavailableError("Serve's controller does not answer") from err


def deployment_of(details: Mapping[str, Any]) -> DeploymentState:
    """Reads what the controller tells of a deployment (ray.serve.schema.DeploymentDetails)."""
    config = details["deployment_config"]
    scaling = config.get("autoscaling_config") or {}
    return DeploymentState(
        name=details["name"],
        status=_word(details["status"]),
        message=details["message"],
        target=details["target_num_replicas"],
        min_replicas=scaling.get("min_replicas") or 0,
        max_replicas=scaling.get("max_replicas") or 0,
        num_gpus=float((config.get("ray_actor_options") or {}).get("num_gpus") or 0),
        replicas=_replicas(details["replicas"]),
        slots=config.get("max_ongoing_requests") or 0,
        max_waiting=max(config.get("max_queued_requests") or 0, 0),
    )


def _replicas(told: Sequence[Mapping[str, Any]]) -> tuple[ReplicaState, ...]:
    replicas = (
        ReplicaState(
            id=one["replica_id"],
            state=_word(one["state"]),
            pid=one.get("pid"),
            node_id=one.get("node_id") or "",
            node_ip=one.get("node_ip") or "",
        )
        for one in told
    )
    return tuple(sorted(replicas, key=lambda one: one.id))


def node_of(told: Mapping[str, Any], leaving: Mapping[str, int]) -> NodeState:
    """Reads what Ray tells of a node (`ray.nodes`), and of those that it drains.

    Args:
        told: of the node.
        leaving: node id -> by when it is to be gone, in milliseconds since 1970; 0: no time is set.
    """
    leaves_ms = leaving.get(told["NodeID"]) if told["Alive"] else None
    resources = told.get("Resources") or {}
    return NodeState(
        id=told["NodeID"],
        ip=told["NodeManagerAddress"],
        alive=bool(told["Alive"]),
        market=str((told.get("Labels") or {}).get(_MARKET, "")),
        num_cpus=float(resources.get("CPU", 0)),
        num_gpus=float(resources.get("GPU", 0)),
        leaves_at=None if leaves_ms is None else leaves_ms / 1000,
    )


def _word(state: object) -> str:
    """Serve's states are enums of texts; over a handle they may come as either."""
    return str(getattr(state, "value", state))
