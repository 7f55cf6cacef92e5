"""A Ray cluster of one head and labelled nodes on this machine, with a Serve config on it.

All in a private folder with a token of its own; what it started it ends, and nothing else.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from chaos import processes
from chaos.errors import ChaosError, TargetError
from chaos.served_config import changed_config, merged, node_environment
from chaos.target import System
from cluster.ports import free_port

ROOT = Path(__file__).parents[1]
SIMULATED = ROOT / "chaos" / "simulated" / "simulated.yaml"
_BIN = Path(sys.executable).parent
_READY_S = 300.0
_START_S = 180.0
_START_ATTEMPTS = 3  # Ray gives a raylet 30 s, whatever else the machine does
_HEED_S = 2.0  # the controller looks at a new config once a loop
_MARKETS = ("spot", "on-demand")  # of a node and of the head
_NAME_LABEL = "chaos-node"
_NODE_CPUS = 4  # logical
_JOIN_S = 60.0  # in which a node starts what it starts ahead of need
_JOINING_NICENESS = 10  # a tenth of the share of the load: Ray gives up a start after 30 s
_OBJECT_STORE_BYTES = 100 * 2**20  # nothing large passes through it
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",
    "RAY_preload_python_modules": "deployments.preload",
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One `ray start` that runs.

    Attributes:
        name: what it is called here, such as `spot-1`.
        node_id: Ray's hex id.
        raylet_pid: its raylet; its workers are below that.
    """

    name: str
    node_id: str
    raylet_pid: int


class Fleet:
    """A head labelled on-demand, and nodes labelled spot; a context manager.

    Invariant: every process it started has its folder in its environment as RAY_TMPDIR, and on the
    way out each of those is killed by its number. The corpus is a SQLite file in that folder,
    unless the URL of another database is given.
    """

    def __init__(
        self, *, num_spot: int = 3, config: Path = SIMULATED,
        changes: Mapping[str, Mapping[str, Any]] | None = None,
        database_url: str | None = None,
    ) -> None:  # fmt: skip
        self._num_spot = num_spot
        self._source = config
        self._changes = changes or {}
        # Short, since the paths of Ray's sockets must stay below 108 characters (unix(7)).
        self.folder = Path(tempfile.mkdtemp(prefix="rf-", dir="/tmp"))
        self._ports = {"gcs": free_port(), "dashboard": free_port(), "http": free_port()}
        self.nodes: dict[str, Node] = {}
        self.database_url = database_url or f"sqlite:///{self.folder}/corpus.db"

    @property
    def url(self) -> str:
        """Where the Gateway answers."""
        return f"http://127.0.0.1:{self._ports['http']}"

    @property
    def ray_address(self) -> str:
        """Where the head's GCS listens."""
        return f"127.0.0.1:{self._ports['gcs']}"

    @property
    def dashboard(self) -> str:
        """Where Ray's REST API answers."""
        return f"http://127.0.0.1:{self._ports['dashboard']}"

    @property
    def token_file(self) -> Path:
        """The token of this cluster alone."""
        return self.folder / "auth_token"

    @property
    def system(self) -> System:
        """What the scenarios attack."""
        return System(
            url=self.url, dashboard=self.dashboard, ray_address=self.ray_address,
            token_file=self.token_file, ledger=self.folder / "ledger",
        )  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process of this fleet."""
        return {
            **os.environ,
            **node_environment(),
            **_SETTINGS,
            "PYTHONPATH": str(ROOT),
            "RAY_TMPDIR": str(self.folder),
            "RAY_AUTH_TOKEN_PATH": str(self.token_file),
            "RAGFLEET_DATABASE_URL": self.database_url,
        }

    def __enter__(self) -> Self:
        """Starts everything and waits until it answers."""
        try:
            self.token_file.touch(mode=0o600)
            self.token_file.write_text(secrets.token_hex(32))
            self._start_head()
            # One after the other: two at once may choose the same name for their raylets' sockets.
            for number in range(self._num_spot):
                self.add_node(f"spot-{number + 1}")
            self.deploy(self._changes)
            self.wait_until_ready()
            for node in self.nodes.values():
                processes.wait_until_idle(node.raylet_pid, _JOIN_S)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends every process and removes the folder."""
        self.close()

    def _start_head(self) -> None:
        ports = (f"--port={self._ports['gcs']}", f"--dashboard-port={self._ports['dashboard']}")
        self._ray_start("head", "--head", *ports)

    def add_node(self, name: str, *, niceness: int = 0) -> Node:
        """Starts a spot node.

        Raises:
            ChaosError: `ray start` failed.
        """
        return self._ray_start(name, f"--address={self.ray_address}", niceness=niceness)

    def _ray_start(self, name: str, *options: str, niceness: int = 0) -> Node:
        labels = f"--labels=ray.io/market-type={_MARKETS[name == 'head']},{_NAME_LABEL}={name}"
        limits = (f"--num-cpus={_NODE_CPUS}", f"--object-store-memory={_OBJECT_STORE_BYTES}")
        command = ["nice", "-n", str(niceness), str(_BIN / "ray"), "start", *options, labels]
        for _ in range(_START_ATTEMPTS):
            done = subprocess.run(
                [*command, *limits], env=self.environment, capture_output=True, text=True,
                timeout=_START_S, cwd=ROOT, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                self.nodes[name] = self._find_node(name)
                return self.nodes[name]
            # The GCS of a head that came too late would refuse the next one.
            own = f"RAY_TMPDIR={self.folder}"
            left = processes.with_environment(own) if name == "head" else self._raylets(name)
            processes.kill([], also=left)
        msg = f"`ray start` of {name} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        raise ChaosError(msg)

    def _raylets(self, name: str) -> list[int]:
        """Finds the raylets that carry a name as a label, among the processes of this fleet."""
        return [
            pid
            for pid in processes.with_environment(f"RAY_TMPDIR={self.folder}")
            if processes.name_of(pid) == "raylet"
            for labels in processes.arguments(pid, "--labels=")
            if json.loads(labels).get(_NAME_LABEL) == name
        ]

    def _find_node(self, name: str) -> Node:
        raylets = self._raylets(name)
        if len(raylets) != 1:
            msg = f"`ray start` of {name} has left {len(raylets)} raylets"
            raise ChaosError(msg)
        (node_id,) = processes.arguments(raylets[0], "--node_id=")
        return Node(name=name, node_id=node_id, raylet_pid=raylets[0])

    def replace_node(self, node_id: str) -> None:
        """Starts a node with the name of one that died, and waits until it has started.

        A machine that joins a cluster brings its own cores; here, where root may say so, a node
        that starts gets those that the load leaves.

        Raises:
            TargetError: no node of this fleet has that id.
        """
        names = [node.name for node in self.nodes.values() if node.node_id == node_id]
        if not names or names == ["head"]:
            msg = f"no spot node of this fleet has the id {node_id}"
            raise TargetError(msg)
        niceness = _JOINING_NICENESS if os.geteuid() == 0 else 0
        node = self.add_node(names[0], niceness=niceness)
        own = processes.wait_until_idle(node.raylet_pid, _JOIN_S)
        if niceness:
            processes.set_niceness(own, 0)

    def deploy(self, changes: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Serves the YAML, with these keys of these deployments changed.

        Args:
            changes: deployment -> key of its block -> value; mappings are merged.
        """
        every = dict(changes or {})
        if self._source == SIMULATED:
            ledger = {"Generator": {"user_config": {"ledger": f"{self.folder}/ledger"}}}
            every = merged(every, ledger)
        target = self.folder / "served.yaml"
        target.write_text(changed_config(self._source, port=self._ports["http"], changes=every))
        command = [str(_BIN / "serve"), "deploy", "--address", self.dashboard, str(target)]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=_START_S,
            cwd=ROOT, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            msg = f"`serve deploy` failed: {done.stderr[-2000:]}"
            raise ChaosError(msg)

    def edit(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Serves the YAML with these changes, and waits until every replica has them."""
        self.deploy(changes)
        self.wait_until_settled()

    def wait_until_ready(self, timeout_s: float = _READY_S) -> None:
        """Waits until every deployment answers.

        Raises:
            ChaosError: not in time.
        """
        deadline = time.monotonic() + timeout_s
        said = "nothing"
        while time.monotonic() < deadline:
            try:
                said = httpx.get(f"{self.url}/readyz", timeout=10).raise_for_status().text
            except httpx.HTTPError as err:
                said = repr(err)
            else:
                return
            time.sleep(0.5)
        msg = f"not ready after {timeout_s} s; /readyz said {said[:500]}"
        raise ChaosError(msg)

    def wait_until_settled(self, timeout_s: float = _READY_S) -> None:
        """Waits until an edit has reached every replica.

        Raises:
            ChaosError: not in time.
        """
        deadline = time.monotonic() + timeout_s
        time.sleep(_HEED_S)
        while not self.system.is_settled():
            if time.monotonic() > deadline:
                msg = f"the edit was not carried out within {timeout_s} s"
                raise ChaosError(msg)
            time.sleep(0.5)
        self.wait_until_ready(timeout_s)

    def close(self) -> None:
        """Kills what was started, by number, and proves that all of it is gone."""
        deadline = time.monotonic() + 30
        while own := processes.with_environment(f"RAY_TMPDIR={self.folder}"):
            # Ray's agents write their titles over their environment: their parents are known.
            for pid in own.union(*map(processes.descendants, own)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                msg = f"these processes do not die: {sorted(own)}"
                raise ChaosError(msg)
            time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)
