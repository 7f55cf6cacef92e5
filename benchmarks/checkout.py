"""A checkout of this repository that is served as `make serve` does, beside others."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml
from rich.console import Console

from chaos import processes
from cluster.interrupts import interruptible
from cluster.ports import free_port

_START_S = 420.0
_STOP_S = 90.0
_REQUEST_S = 10.0
_POLL_S = 0.5
_LOADED = {".md", ".txt", ".html"}  # what `cluster.local` takes of a folder


class CheckoutError(RuntimeError):
    """A checkout cannot be served; the message says why."""


def exit_status(is_within: Callable[[], bool], console: Console) -> int:
    """Measures served checkouts; gives 0 within the limits, 1 outside, 2 not served, 130 stopped.

    Args:
        is_within: measures, and says whether the limits are kept.
        console: where it is told why nothing was measured.
    """
    try:
        with interruptible():
            return 0 if is_within() else 1
    except KeyboardInterrupt:
        console.print("stopped; what this program started is ended")
        return 130
    except (CheckoutError, httpx.HTTPError) as err:
        console.print(str(err), style="red", markup=False, highlight=False)
        return 2


@dataclass(kw_only=True)
class ServedCheckout:
    """`python -m cluster.local` of a checkout, with its `local.yaml`; a context manager.

    It has a port, a Ray cluster and a corpus of its own, with the given documents in it; log, token
    and models are in the checkout's `.ragfleet`. So no checkout can be served twice at once.

    Attributes:
        path: the checkout's root.
        documents: the folder that is loaded.
        edit: changes the checkout's config before it is served.
        with_key: whether its Gateway wants keys after that.
        variables: of the environment, besides those of this process.
        url: where it answers; known once it is started.
        key: that asks and loads; known with the address.
    """

    path: Path
    documents: Path
    edit: Callable[[dict[str, Any]], None] = lambda config: None
    with_key: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    key: str = "none"

    def __enter__(self) -> Self:
        """Starts it and waits until every document can be found.

        Raises:
            CheckoutError: it ends, or is not ready in time.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="overhead-")
        log, config = Path(self._folder.name) / "local.log", self._config()
        if self.with_key:
            self.key = self._made_key(config)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cluster.local", "--config", config,
                 "--documents", self.documents.resolve()],
                cwd=self.path, env=self._environment(), stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            self._wait(log)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends all that it started."""
        self._stop()

    @property
    def pid(self) -> int:
        """The process above all others of it."""
        return self._process.pid

    def cpu_seconds(self) -> float:
        """CPU time so far of all processes of it, Ray's included; those that ended do not count."""
        own = processes.descendants(self.pid) | processes.with_environment(
            f"RAGFLEET_DATABASE_URL={self._database_url}"
        )
        return processes.cpu_seconds(own | {self.pid})

    def _made_key(self, config: Path) -> str:
        made = subprocess.run(
            [sys.executable, "-m", "graphs.keys", "--config", config, "create",
             "--scopes", "query,ingest"],
            cwd=self.path, env=self._environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise CheckoutError(f"{self.path} makes no key: {made.stderr[-2000:]}")
        return made.stdout.split()[0]

    @property
    def _database_url(self) -> str:
        return f"sqlite:///{self._folder.name}/corpus.db"

    def _config(self) -> Path:
        """Writes the checkout's own config with another port and the given changes."""
        config = yaml.safe_load((self.path / "local.yaml").read_text())
        port = config["http_options"]["port"] = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.edit(config)
        target = Path(self._folder.name) / "local.yaml"
        target.write_text(yaml.safe_dump(config, sort_keys=False))
        return target

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.variables,
            "PYTHONPATH": str(self.path),
            "RAGFLEET_DATABASE_URL": self._database_url,
        }

    def _wait(self, log: Path) -> None:
        num_documents = sum(path.suffix in _LOADED for path in self.documents.iterdir())
        deadline = time.monotonic() + _START_S
        headers = {"authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, timeout=_REQUEST_S, headers=headers) as client:
            while time.monotonic() < deadline:
                if (status := self._process.poll()) is not None:
                    raise CheckoutError(f"{self.path} ended with status {status}:\n{_tail(log)}")
                if _is_ready(client) and _num_indexed(client) == num_documents:
                    return
                time.sleep(_POLL_S)
        raise CheckoutError(f"{self.path} does not serve within {_START_S:g} s:\n{_tail(log)}")

    def _stop(self) -> None:
        """Stops it in its own orderly way, then kills what is left of it."""
        own = processes.descendants(self._process.pid)
        self._process.terminate()
        try:
            self._process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            own |= processes.descendants(self._process.pid) | {self._process.pid}
            processes.kill([], also=own)
            self._process.wait()
        self._folder.cleanup()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.HTTPError:
        return False


def _num_indexed(client: httpx.Client) -> int:
    """Counts the documents of all stores that can be found."""
    try:
        page = client.get("/v1/vector_stores").raise_for_status().json()
    except httpx.HTTPError:
        return 0
    return sum(store["file_counts"]["completed"] for store in page["data"])
