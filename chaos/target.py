"""The system under attack: where it is, what runs in it, and whether it may be attacked at all."""

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from chaos import processes
from chaos.errors import TargetError

_TIMEOUT_S = 30.0
# States of a replica, by `serve status`.
_RUNNING = ("RUNNING",)
_WITH_PROCESS = ("STARTING", "UPDATING", "RECOVERING", *_RUNNING, "PENDING_MIGRATION", "STOPPING")


@cache
def _client() -> httpx.Client:
    """One for all requests: to make one takes 20 ms of CPU time, which the load should have."""
    return httpx.Client(timeout=_TIMEOUT_S)


def refuse_remote(address: str, *, is_allowed: bool, is_allowed_again: bool) -> None:
    """Refuses what is not on this machine, unless told twice.

    Names other than localhost are refused too: where they lead can change.

    Raises:
        TargetError: the address is not local and one of the two consents is missing.
    """
    host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    if not is_local and not (is_allowed and is_allowed_again):
        msg = (
            f"{address!r} is not on this machine; this program kills processes. If you mean it, "
            "give both --not-local and --yes-break-that-system"
        )
        raise TargetError(msg)


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One replica that Serve calls running."""

    deployment: str
    pid: int
    node_id: str


@dataclass(frozen=True, kw_only=True)
class RayNode:
    """One node that Ray calls alive."""

    node_id: str
    is_head: bool
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class System:
    """A running system.

    Attributes:
        url: where the Gateway answers.
        dashboard: where Ray's REST API answers.
        ray_address: where the GCS listens.
        token_file: Ray's token; None where the cluster has no token authentication.
        application: the name of the Serve application.
        ledger: folder where the simulated generators note what they serve; None: they are asked
            through Ray, which takes seconds while one of them is dead.
    """

    url: str
    dashboard: str
    ray_address: str
    token_file: Path | None
    application: str = "ragfleet"
    ledger: Path | None = None

    def replicas(self, deployment: str) -> tuple[Replica, ...]:
        """Gives the running replicas of a deployment, or of all its shards, oldest pid first.

        Raises:
            TargetError: there is no such application or deployment.
        """
        return self._replicas(self._deployments(), deployment)

    def started_replicas(self, deployment: str) -> tuple[Replica, ...]:
        """Gives those whose process runs here, also those that come or go.

        Raises:
            TargetError: there is no such application or deployment.
        """
        found = self._replicas(self._deployments(), deployment, states=_WITH_PROCESS)
        return tuple(filter(_is_live, found))

    def _replicas(
        self, deployments: Mapping[str, Any], deployment: str, states: Collection[str] = _RUNNING
    ) -> tuple[Replica, ...]:
        shards = [
            name for name in deployments if re.fullmatch(rf"{re.escape(deployment)}\d+", name)
        ]
        names = [deployment] if deployment in deployments else shards
        if not names:
            msg = f"no deployment {deployment!r} is served; there are {sorted(deployments)}"
            raise TargetError(msg)
        found = [
            Replica(deployment=name, pid=int(one["pid"]), node_id=one["node_id"])
            for name in names
            for one in deployments[name]["replicas"]
            if one["state"] in states and one.get("pid")
        ]
        return tuple(sorted(found, key=lambda one: one.pid))

    def remaining_on(self, node_id: str) -> tuple[str, ...]:
        """Names the deployments with a replica on a node, in whatever state."""
        return tuple(
            name
            for name, deployment in self._deployments().items()
            for one in deployment["replicas"]
            if one.get("node_id") == node_id  # one that starts has no node yet
        )

    def is_settled(self) -> bool:
        """Whether Serve has done all that its config asks for."""
        application = self._get("/api/serve/applications/")["applications"][self.application]
        return bool(application["status"] == "RUNNING")

    def live_replicas(self, deployment: str) -> tuple[Replica, ...]:
        """Gives those whose process runs here, since Serve learns of a death late."""
        return tuple(filter(_is_live, self.replicas(deployment)))

    def live_counts(self, deployments: Iterable[str]) -> dict[str, int]:
        """Counts those of several deployments, as of one moment.

        Raises:
            TargetError: there is no such application or deployment.
        """
        served = self._deployments()
        return {name: sum(map(_is_live, self._replicas(served, name))) for name in deployments}

    def _deployments(self) -> Mapping[str, Any]:
        applications = self._get("/api/serve/applications/")["applications"]
        found: Mapping[str, Any] = applications.get(self.application, {}).get("deployments", {})
        return found

    def nodes(self) -> tuple[RayNode, ...]:
        """Gives the nodes that are alive."""
        rows = self._get("/api/v0/nodes", detail="true")["data"]["result"]["result"]
        return tuple(
            RayNode(node_id=row["node_id"], is_head=row["is_head_node"], labels=row["labels"] or {})
            for row in rows
            if row["state"] == "ALIVE"
        )

    def node(self, node_id: str) -> RayNode:
        """Gives one node.

        Raises:
            TargetError: no node that is alive has this id.
        """
        for node in self.nodes():
            if node.node_id == node_id:
                return node
        msg = f"no node {node_id!r} is alive in this cluster"
        raise TargetError(msg)

    def raylet_pid(self, node_id: str) -> int:
        """Finds the raylet of a node among the processes of this machine.

        Raises:
            TargetError: the node is not alive, or its raylet does not run here.
        """
        self.node(node_id)
        found = processes.with_argument(f"--node_id={node_id}")
        raylets = [pid for pid in found if processes.name_of(pid) == "raylet"]
        if len(raylets) != 1:
            msg = f"the raylet of node {node_id} does not run on this machine"
            raise TargetError(msg)
        return raylets[0]

    def controller_pid(self) -> int:
        """Gives the process of Serve's controller.

        Raises:
            TargetError: there is none.
        """
        query = {"filter_keys": "state", "filter_predicates": "=", "filter_values": "ALIVE"}
        rows = self._get("/api/v0/actors", detail="true", limit="1000", **query)
        for row in rows["data"]["result"]["result"]:
            if row["name"] == "SERVE_CONTROLLER_ACTOR":
                return int(row["pid"])
        msg = "no controller of Ray Serve runs in this cluster"
        raise TargetError(msg)

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to join the cluster."""
        if self.token_file is None:
            return {}
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token_file)}

    def _get(self, path: str, **query: str) -> Any:
        headers = {}
        if self.token_file is not None:
            headers["authorization"] = f"Bearer {self.token_file.read_text().strip()}"
        try:
            reply = _client().get(f"{self.dashboard}{path}", params=query, headers=headers)
            reply.raise_for_status()
        except httpx.HTTPError as err:
            msg = f"Ray's REST API at {self.dashboard} does not answer: {err!r}"
            raise TargetError(msg) from err
        return reply.json()


def _is_live(replica: Replica) -> bool:
    return processes.state_of(replica.pid) not in (None, "T")
