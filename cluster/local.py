"""`make serve`: the whole graph on this machine, with the handbook loaded, until Ctrl-C.

Starts `serve run local.yaml` (cluster/serve_run.py) as a child with a Ray cluster of its own
(private folder, token), waits until every deployment answers, fills an empty corpus, and prints
what to type next. With OBSERVE=1 it starts Prometheus beside it (cluster/observe/prometheus.py).
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import deployments.preload  # noqa: F401  # first: Serve in two thirds of the time
from cluster.interrupts import interruptible
from cluster.observe import prometheus
from cluster.ports import free_port
from cluster.proxy_border import CALLBACK
from deployments.state import models_folder, state_folder
from graphs.access.short_key import short_key
from graphs.config import database_url
from graphs.errors import ConfigError
from graphs.serve_config.reader import ServeConfig, read_serve_config
from models.bundled.prepare import NAMES, prepare
from models.prepare import prepare_graph

if TYPE_CHECKING:
    import openai

ROOT = Path(__file__).parents[1]
HANDBOOK = ROOT / "examples" / "handbook"
_START_S = 300
_STOP_S = 60
_INGEST_S = 300
_REQUEST_S = 30


class StartError(RuntimeError):
    """The system did not come up; the message says why."""


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m cluster.local", description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "local.yaml", help="Serve config")
    parser.add_argument("--documents", type=Path, default=HANDBOOK, help="for an empty corpus")
    parser.add_argument("--store", default="handbook", help="name of their vector store")
    arguments = parser.parse_args()
    console = Console()
    try:
        with interruptible():
            run(arguments.config, arguments.documents, arguments.store, console)
    except KeyboardInterrupt:
        console.print("stopped")
    except (ConfigError, StartError, prometheus.NoPrometheusError) as err:
        console.print(f"error: {err}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


def run(config: Path, documents: Path, store: str, console: Console) -> None:
    """Starts everything, and stops it when interrupted.

    Raises:
        ConfigError: the config has faults; nothing was started.
        StartError: the port is taken, or a deployment did not come up.
        NoPrometheusError: OBSERVE=1 asks for Prometheus, which is not installed.
    """
    served = read_serve_config(config)
    host, port = served.host, served.port
    _refuse_taken_port(host, port)
    progress = Progress(
        TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), console=console,
    )  # fmt: skip
    log = state_folder() / "serve.log"
    bundled = [name for name in NAMES if f"bundled:{name}" in served.models]
    beside = prometheus_beside(console) if os.environ.get("OBSERVE") == "1" else None
    with serving(config, log, cluster_environment(), beside=beside) as child:
        with progress:
            # While Ray starts; a replica that comes to it first prepares its model itself.
            for name in progress.track(bundled, description="preparing models"):
                prepare(name, models_folder())
                prepare_graph(name, models_folder())
            wait_until_ready(f"http://{host}:{port}/readyz", child, log, progress)
            with _loading_key(served) as key:
                _fill_empty_corpus(f"http://{host}:{port}/v1", documents, store, progress, key)
        wants_key = served.gateway.auth.keys
        _print_next_steps(console, f"http://{host}:{port}", log, config if wants_key else None)
        status = child.wait()
        msg = f"serve ended with status {status}; its log is {log}\n{_tail(log)}"
        raise StartError(msg)


def _refuse_taken_port(host: str, port: int) -> None:
    try:
        with socket.socket() as probe:
            is_taken = probe.connect_ex((host, port)) == 0
    except (OSError, UnicodeError) as err:  # no such host, or nothing that can be one
        raise StartError(f"cannot listen on {host}:{port}: {err}") from err
    if is_taken:
        msg = f"{host}:{port} is taken by another program; stop it, or change local.yaml"
        raise StartError(msg)


# Runs as long as a Ray cluster, whose folder it is given.
Beside = Callable[[Path], AbstractContextManager[None]]


def prometheus_beside(console: Console) -> Beside:
    """Gives what runs Prometheus over a Ray cluster, on a free port, and tells where."""

    @contextlib.contextmanager
    def beside(ray_folder: Path) -> Iterator[None]:
        with prometheus.running(ray_folder, state_folder(), free_port()) as address:
            console.print(f"Prometheus at {address} (dashboards: cluster/observe/dashboards/)")
            yield

    return beside


@contextlib.contextmanager
def serving(
    config: Path, log: Path, environment: Mapping[str, str], *, beside: Beside | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `serve run` with a Ray cluster of its own; leaves nothing behind."""
    # Short, since the paths of Ray's sockets must stay below 108 characters (unix(7)).
    ray_folder = tempfile.mkdtemp(prefix="rf-")
    command = [sys.executable, "-m", "cluster.serve_run", str(config.absolute())]
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, env={**environment, "RAY_TMPDIR": ray_folder},
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        with beside(Path(ray_folder)) if beside else contextlib.nullcontext():
            yield child
    finally:
        _stop(child)
        shutil.rmtree(ray_folder, ignore_errors=True)


def cluster_environment() -> dict[str, str]:
    """Gives the cluster its token and port, which command lines find in the state folder."""
    state_folder().mkdir(parents=True, exist_ok=True)
    port = str(free_port())
    (state_folder() / "ray_address").write_text(f"127.0.0.1:{port}\n")
    return {  # HF_HUB_OFFLINE is the operator's: models on this machine ask nobody in either case
        **os.environ,
        "PYTHONPATH": str(ROOT),  # so that `serve deploy` finds the code, too
        "RAY_GCS_SERVER_PORT": port,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(_token_file()),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONUNBUFFERED": "1",
        "RAY_preload_python_modules": "deployments.preload",
        "RAY_worker_niceness": "0",  # with Ray's 15 a busy client starves them
        **CALLBACK,
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",  # 0.1 takes a tenth of a core, idle or not
    }


def _token_file() -> Path:
    """Makes the cluster's token, readable by its owner alone."""
    path = state_folder() / "auth_token"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return path


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Stops Serve as Ctrl-C does, then whatever of the child's process group is left."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=_STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def wait_until_ready(
    url: str, child: subprocess.Popen[bytes], log: Path, progress: Progress
) -> None:
    """Shows how many deployments answer until all do."""
    task = progress.add_task("starting deployments", total=None)
    deadline = time.monotonic() + _START_S
    with httpx.Client(timeout=5) as client:
        while time.monotonic() < deadline:
            if child.poll() is not None:
                msg = f"serve ended with status {child.returncode}; its log is {log}\n{_tail(log)}"
                raise StartError(msg)
            checks = _readiness(client, url)
            if checks:
                progress.update(task, total=len(checks), completed=sum(checks.values()))
                if all(checks.values()):
                    return
            time.sleep(0.5)
    msg = f"not ready after {_START_S} s; the log is {log}\n{_tail(log)}"
    raise StartError(msg)


def _readiness(client: httpx.Client, url: str) -> dict[str, bool]:
    try:
        checks: dict[str, bool] = client.get(url).json()["checks"]
    except (httpx.HTTPError, ValueError, KeyError):
        return {}
    return checks


def _loading_key(served: ServeConfig) -> contextlib.AbstractContextManager[str]:
    """A key for the documents of an empty corpus; any text where the server wants none."""
    if not served.gateway.auth.keys:
        return contextlib.nullcontext("none")
    life_s = _INGEST_S + _REQUEST_S
    return short_key(database_url(served.args), name="make serve", life_s=life_s)


def _fill_empty_corpus(
    base_url: str, documents: Path, store: str, progress: Progress, key: str
) -> None:
    """Loads the documents into a new vector store, unless there is one already."""
    stores = httpx.get(
        f"{base_url}/vector_stores", params={"limit": 1}, timeout=_REQUEST_S,
        headers={"authorization": f"Bearer {key}"},
    )  # fmt: skip
    if stores.raise_for_status().json()["data"]:
        return
    import openai  # takes two seconds, which only the first start needs

    client = openai.OpenAI(base_url=base_url, api_key=key)
    files = sorted(path for path in documents.iterdir() if path.suffix in {".md", ".txt", ".html"})
    store_id = client.vector_stores.create(name=store).id
    for path in progress.track(files, description=f"loading {documents.name}/"):
        uploaded = client.files.create(file=path, purpose="assistants")
        client.vector_stores.files.create(store_id, file_id=uploaded.id)
    _wait_until_indexed(client, store_id, len(files), progress)


def _wait_until_indexed(
    client: "openai.OpenAI", store_id: str, num_files: int, progress: Progress
) -> None:
    task = progress.add_task("indexing", total=num_files)
    deadline = time.monotonic() + _INGEST_S
    while time.monotonic() < deadline:
        counts = client.vector_stores.retrieve(store_id).file_counts
        progress.update(task, completed=counts.completed)
        if counts.failed:
            msg = f"{counts.failed} documents could not be indexed, see {_files_route(store_id)}"
            raise StartError(msg)
        if counts.completed == num_files:
            return
        time.sleep(0.25)
    msg = f"documents were not indexed within {_INGEST_S} s"
    raise StartError(msg)


def _files_route(store_id: str) -> str:
    """Gives the route that tells why a document failed."""
    return f"/v1/vector_stores/{store_id}/files"


def _print_next_steps(console: Console, address: str, log: Path, keyed: Path | None) -> None:
    """Tells how to ask; `keyed` is the config of a server that wants keys."""
    console.print(f"\nReady at {address}  (API page: {address}/docs, log: {log}). Ask:\n")
    make = f"  python -m graphs.keys --config {keyed} create --scopes query\n"
    make += "  export OPENAI_API_KEY=...    # what it prints\n"
    key = ' -H "Authorization: Bearer $OPENAI_API_KEY"' if keyed else ""
    console.print(
        f"""{make if keyed else ""}  curl -s {address}/v1/chat/completions{key} \
-H 'Content-Type: application/json' \\
    -d '{{"model": "rag", "messages": [{{"role": "user", "content": \
"How large may a file be?"}}]}}'
""",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    console.print("Ctrl-C stops it.")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


if __name__ == "__main__":
    main()
