"""The servers that are measured: this checkout, and what else serves the same models.

Every one has a process of its own and a free port on this machine; all run at once, and one at a
time is asked.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.checkout import CheckoutError, ServedCheckout
from benchmarks.overhead import ROOT
from cluster.ports import free_port
from deployments.state import models_folder
from models.bundled.prepare import prepare
from models.hub import resolve

DOCUMENTS = ROOT / "examples" / "handbook"
# Infinity knows no model that joins late, so the peers rerank with the judge: as large, and plain.
EMBEDDER, RERANKER = "bundled:embedder", "judge"
_START_S = 300.0
_STOP_S = 30.0


@dataclass(frozen=True, kw_only=True)
class System:
    """A server that answers.

    Attributes:
        name: in the report.
        url: where it answers.
        pid: of it, or of its oldest process.
        kinds: what it is asked: the cases' first words.
    """

    name: str
    url: str
    pid: int
    kinds: tuple[str, ...]


@contextmanager
def ragfleet() -> Iterator[System]:
    """Serves this checkout as `make serve` does."""
    with ServedCheckout(path=ROOT, documents=DOCUMENTS) as served:
        kinds = ("embeddings", "rerank", "chat")
        yield System(name="ragfleet", url=served.url, pid=served.pid, kinds=kinds)


@contextmanager
def plain() -> Iterator[System]:
    """Serves the models with sentence-transformers behind FastAPI."""
    embedder, reranker = _folders()
    port = free_port()
    command = [
        sys.executable, "-m", "benchmarks.speed.plain_server", "--port", str(port),
        "--embedder", str(embedder), "--reranker", str(reranker),
    ]  # fmt: skip
    with _running("sentence-transformers + FastAPI", command, port) as system:
        yield system


@contextmanager
def infinity(python: Path) -> Iterator[System]:
    """Serves the models with Infinity, float32 on torch.

    Args:
        python: of the environment in which it is installed.
    """
    embedder, reranker = _folders()
    port = free_port()
    command = [
        str(python.parent / "infinity_emb"), "v2", "--host", "127.0.0.1", "--port", str(port),
        "--url-prefix", "/v1", "--engine", "torch", "--device", "cpu", "--dtype", "float32",
        "--no-bettertransformer", "--no-compile", "--no-model-warmup",
        "--model-id", str(embedder), "--served-model-name", "embedder",
        "--model-id", str(reranker), "--served-model-name", "reranker",
    ]  # fmt: skip
    with _running("Infinity", command, port) as system:
        yield system


def _folders() -> tuple[Path, Path]:
    cache = models_folder()
    return resolve(EMBEDDER, None, cache), prepare(RERANKER, cache)


@contextmanager
def _running(name: str, command: list[str], port: int) -> Iterator[System]:
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(name, f"{url}/health", process)
            yield System(name=name, url=url, pid=process.pid, kinds=("embeddings", "rerank"))
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait(name: str, url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if (status := process.poll()) is not None:
            raise CheckoutError(f"{name} ended with status {status}")
        try:
            if httpx.get(url, timeout=5.0).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise CheckoutError(f"{name} does not serve within {_START_S:g} s")
