"""Draining a Ray node: the one module that calls what Ray keeps private.

Ray drains through `GcsClient.drain_node`, the call behind the hidden `ray drain-node`; neither is
covered by Ray's promise of a stable API. `connect` therefore proves first that the call is there
and that the node is, since GCS accepts a drain of any node id, even of one that is no id at all.

Errors:
    DrainError (RuntimeError)
    |- UnsupportedRayError: this Ray cannot drain as we need it
    |- GcsUnreachableError (ConnectionError): GCS does not answer, or refuses the token
    |- NodeNotFoundError (LookupError): no such living node
    |- AmbiguousNodeError (ValueError): several living nodes run on this machine
    |- DrainRefusedError: GCS answered, and the node is not draining
"""

import enum
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OLDEST_RAY = (2, 60)
_RPC_TIMEOUT_S = 2.0
_NO_NODE = "0" * 56


class DrainError(RuntimeError):
    """The node could not be drained."""

    code = "drain"


class UnsupportedRayError(DrainError):
    """The installed Ray lacks what draining needs."""

    code = "unsupported_ray"


class GcsUnreachableError(DrainError, ConnectionError):
    """The head of the cluster does not answer."""

    code = "gcs_unreachable"


class NodeNotFoundError(DrainError, LookupError):
    """The cluster has no such living node."""

    code = "node_not_found"


class AmbiguousNodeError(DrainError, ValueError):
    """It cannot be told which of several nodes is meant."""

    code = "ambiguous_node"


class DrainRefusedError(DrainError):
    """The drain was not accepted."""

    code = "drain_refused"


class NodeState(enum.StrEnum):
    """Where a node stands in its life."""

    ALIVE = "alive"
    DRAINING = "draining"
    GONE = "gone"


class RayNode:
    """One node of a Ray cluster, seen through GCS.

    Its methods block for at most a few seconds; GCS may die and come back between them.
    """

    def __init__(self, gcs: Any, node_id: str) -> None:
        self._gcs = gcs
        self.node_id = node_id

    def state(self) -> NodeState:
        """Asks GCS; a node that GCS has forgotten is gone.

        Raises:
            GcsUnreachableError: GCS does not answer.
        """
        draining = _ask(self._gcs.get_draining_nodes, timeout=_RPC_TIMEOUT_S)
        if self.node_id not in _living_nodes(self._gcs):
            return NodeState.GONE
        return NodeState.DRAINING if self.node_id in draining else NodeState.ALIVE

    def drain(self, message: str, deadline_s: float) -> NodeState:
        """Tells Ray that the node is preempted, and makes sure that Ray believes it.

        Args:
            message: kept by Ray as the reason of the node's death.
            deadline_s: when the node must be empty, seconds since the epoch.

        Returns:
            DRAINING, or GONE: an idle node leaves at once.

        Raises:
            DrainRefusedError: the node is still as alive as before.
            GcsUnreachableError: GCS does not answer.
        """
        accepted, why = _ask(
            self._gcs.drain_node, self.node_id, _preemption(), message, int(deadline_s * 1000),
            timeout=_RPC_TIMEOUT_S,
        )  # fmt: skip
        state = self.state()
        if not accepted or state is NodeState.ALIVE:
            msg = f"node {self.node_id} was not drained: {why or 'accepted without effect'}"
            raise DrainRefusedError(msg)
        return state


def connect(address: str, node_id: str = "") -> RayNode:
    """Proves that a node can be drained, and gives it.

    Args:
        address: of GCS, `host:port`.
        node_id: 56 hex digits; empty means the one living node with an address of this machine.

    Raises:
        DrainError: what is missing.
        ValueError: the address is none.
    """
    check_ray()
    gcs = _open_gcs(address)
    _rehearse(gcs)
    return RayNode(gcs, _choose_node(_living_nodes(gcs), node_id))


@dataclass(frozen=True, kw_only=True)
class LivingNode:
    """A node of a Ray cluster.

    Attributes:
        node_id: 56 hex digits.
        resources: in all, by name.
        started_ms: since the epoch.
    """

    node_id: str
    labels: Mapping[str, str]
    resources: Mapping[str, float]
    is_head: bool
    is_draining: bool
    started_ms: int


def living_nodes(address: str) -> list[LivingNode]:
    """Lists the nodes that live, the oldest first.

    Raises:
        GcsUnreachableError: GCS does not answer at the address.
        ValueError: the address is none.
    """
    gcs = _open_gcs(address)
    draining = _ask(gcs.get_draining_nodes, timeout=_RPC_TIMEOUT_S)
    nodes = [
        LivingNode(
            node_id=key, labels=dict(node.labels), resources=dict(node.resources_total),
            is_head=node.is_head_node, is_draining=key in draining, started_ms=node.start_time_ms,
        )
        for key, node in _living(gcs).items()
    ]  # fmt: skip
    return sorted(nodes, key=lambda one: one.started_ms)


def check_ray() -> None:
    """Checks the version of Ray and its word for preemption.

    Raises:
        UnsupportedRayError: too old, or the word is gone.
    """
    import ray

    numbers = tuple(int(number) for number in re.findall(r"\d+", ray.__version__)[:2])
    if numbers < OLDEST_RAY:
        oldest = ".".join(map(str, OLDEST_RAY))
        msg = f"Ray must be {oldest} or later, since Serve heeds drains; got {ray.__version__}"
        raise UnsupportedRayError(msg)
    _preemption()


def _rehearse(gcs: Any) -> None:
    """Makes each call once; the drain of a node that is not has no effect."""
    try:
        RayNode(gcs, _NO_NODE).drain("rehearsal", 0)
    except (AttributeError, TypeError, ValueError) as err:
        msg = f"this Ray drains nodes in another way: {err}"
        raise UnsupportedRayError(msg) from err


def _preemption() -> int:
    from ray.core.generated import autoscaler_pb2

    try:
        value: int = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    except ValueError as err:
        msg = "this Ray has no DRAIN_NODE_REASON_PREEMPTION"
        raise UnsupportedRayError(msg) from err
    return value


def _open_gcs(address: str) -> Any:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        msg = f"address must be host:port, got {address!r}"
        raise ValueError(msg)
    try:
        # Ray itself would wait 40 s for a GCS that is not there.
        socket.create_connection((host.strip("[]"), int(port)), timeout=_RPC_TIMEOUT_S).close()
    except OSError as err:
        msg = f"no GCS at {address}: {err}"
        raise GcsUnreachableError(msg) from err
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # Ray's stub lacks it

    return _ask(GcsClient, address=address)


def _ask(call: Any, *args: Any, **kwargs: Any) -> Any:
    from ray.exceptions import RayError

    try:
        return call(*args, **kwargs)
    except (RayError, OSError, RuntimeError) as err:
        msg = f"GCS does not answer as it should: {err}"
        raise GcsUnreachableError(msg) from err


def _living_nodes(gcs: Any) -> dict[str, str]:
    """Gives the address of each living node by its hex id."""
    return {key: node.node_manager_address for key, node in _living(gcs).items()}


def _living(gcs: Any) -> dict[str, Any]:
    from ray.core.generated.gcs_pb2 import GcsNodeInfo

    nodes = _ask(gcs.get_all_node_info, timeout=_RPC_TIMEOUT_S)
    return {
        key.hex(): node
        for key, node in nodes.items()
        if node.state == GcsNodeInfo.GcsNodeState.ALIVE
    }


def _choose_node(living: dict[str, str], node_id: str) -> str:
    if node_id:
        if node_id not in living:
            msg = f"no living node {node_id!r} in the cluster; it has {sorted(living)}"
            raise NodeNotFoundError(msg)
        return node_id
    here = sorted(key for key, address in living.items() if _is_ours(address))
    if not here:
        msg = f"no living node of the cluster has an address of this machine: {living}"
        raise NodeNotFoundError(msg)
    if len(here) > 1:
        msg = f"{len(here)} living nodes run on this machine, say which by --node-id: {here}"
        raise AmbiguousNodeError(msg)
    return here[0]


def _is_ours(address: str) -> bool:
    """Tells whether an IP address belongs to this machine: only then can it be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
