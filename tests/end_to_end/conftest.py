"""Real systems: `serve run` of the real YAML files, on Ray clusters of their own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import openai
import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
READY_S = 420  # the machines that run this are shared


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class System:
    """One `serve run`, on a Ray cluster that it starts itself or on the one at `ray_address`."""

    config: Path
    folder: Path
    database: str
    ray_address: str = ""
    environment: dict = field(default_factory=dict)
    process: subprocess.Popen = None

    @property
    def url(self):
        return f"http://127.0.0.1:{yaml.safe_load(self.config.read_text())['http_options']['port']}"

    @property
    def openai(self):
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", timeout=120, max_retries=0)

    def start(self):
        environment = {**os.environ, **ray_environment(self.folder), **self.environment}
        environment["RAGFLEET_DATABASE_URL"] = self.database
        if self.ray_address:
            environment["RAY_ADDRESS"] = self.ray_address
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [BIN / "serve", "run", self.config], cwd=ROOT, env=environment, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.wait_until_ready()

    def wait_until_ready(self):
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log_tail()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(1)
        pytest.fail(f"not ready after {READY_S} s: {self.log_tail()}")

    def log_tail(self):
        return (self.folder / "serve.log").read_text(errors="replace")[-4000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=60)
        self.kill()

    def kill(self):
        """SIGKILLs every process of the system and proves that all are gone."""
        victims = processes_below(self.process.pid) | {self.process.pid}
        for pid in victims:
            kill_if_alive(pid)
        self.process.wait(timeout=30)
        deadline = time.monotonic() + 30
        while alive := [pid for pid in victims if is_running(pid)]:
            assert time.monotonic() < deadline, f"still alive: {alive}"
            time.sleep(0.1)
        return victims


def kill_if_alive(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def processes_below(pid):
    """Every descendant of a process, also those in sessions of their own."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = set(), [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting.extend(below)
    return found


def ray_environment(folder):
    token = folder / "auth_token"
    if not token.exists():
        token.touch(mode=0o600)
        token.write_text("0" * 64)
    return {
        "PYTHONPATH": str(ROOT),
        "RAY_TMPDIR": str(folder),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "HF_HUB_OFFLINE": "1",
    }


def write_config(source, target, change):
    """Writes a copy of a YAML file with a port of its own and with `change` done to it."""
    config = yaml.safe_load((ROOT / source).read_text())
    config["http_options"]["port"] = free_port()
    change({block["name"]: block for block in config["applications"][0]["deployments"]})
    target.write_text(yaml.safe_dump(config))
    return target


@contextmanager
def short_folder():
    """A folder whose name leaves room for the paths of Ray's sockets (108 characters, unix(7))."""
    with tempfile.TemporaryDirectory(prefix="rf", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def system():
    """`local.yaml` as it stands, but for its port, on a Ray cluster and a database of its own."""
    with short_folder() as folder:
        config = write_config("local.yaml", folder / "local.yaml", lambda blocks: None)
        made = System(config, folder, f"sqlite:///{folder}/corpus.db")
        made.start()
        yield made
        made.stop()


@pytest.fixture(scope="module")
def handbook(system):
    """The handbook, loaded into the default store by the official SDK."""
    client = system.openai
    store = client.vector_stores.create(name="handbook")
    for path in sorted((ROOT / "examples" / "handbook").iterdir()):
        uploaded = client.files.create(file=path, purpose="assistants")
        client.vector_stores.files.create_and_poll(uploaded.id, vector_store_id=store.id)
    return store


def ray_start(folder, *options):
    environment = {**os.environ, **ray_environment(folder)}
    subprocess.run(
        [BIN / "ray", "start", *options], env=environment, check=True, capture_output=True,
        timeout=180, cwd=ROOT,
    )  # fmt: skip


@dataclass
class Cluster:
    """Two labelled Ray nodes on this machine, and `cluster.yaml` served on them."""

    system: System
    address: str
    dashboard: str
    folder: Path
    deploy_config: Path

    @property
    def environment(self):
        return ray_environment(self.folder)

    def deploy(self, change):
        """Edits the YAML and runs `serve deploy`, as a platform engineer does."""
        config = yaml.safe_load(self.deploy_config.read_text())
        change({block["name"]: block for block in config["applications"][0]["deployments"]})
        self.deploy_config.write_text(yaml.safe_dump(config))
        environment = {**os.environ, **ray_environment(self.folder)}
        subprocess.run(
            [BIN / "serve", "deploy", "--address", self.dashboard, self.deploy_config],
            env=environment, check=True, capture_output=True, timeout=120, cwd=ROOT,
        )  # fmt: skip


def use_small_models(blocks):
    """Replaces what is fetched from the hub; all else of cluster.yaml stays."""
    for name in ("Embedder", "Reranker", "SafetyFilter"):
        blocks[name]["user_config"] = {"model": f"bundled:{name.lower()}"}
    blocks["SafetyFilter"]["user_config"] = {"model": "bundled:safety"}
    blocks["Generator"]["user_config"] = {
        "model": "bundled:generator",
        "engine": "transformers",
        "max_answer_tokens": 64,
        "engine_options": {"cache_tokens": 8192, "max_concurrent_requests": 16},
    }
    for block in blocks.values():  # two of each would not fit on the cores of a laptop
        block["autoscaling_config"]["min_replicas"] = 1
    blocks["Gateway"]["user_config"]["retrieval"]["condense"] = "join"
    blocks["Gateway"]["user_config"]["timeouts"] = {}  # those for GPUs are too short for two cores
    # A small model sampled hotly writes gibberish, which the filter may block before the test ends.
    blocks["Gateway"]["user_config"].setdefault("safety", {})["check_answer"] = False


@pytest.fixture(scope="module")
def cluster():
    """`cluster.yaml` on an on-demand and a spot node with logical GPUs."""
    with short_folder() as folder:
        port, dashboard = free_port(), free_port()
        config = write_config("cluster.yaml", folder / "cluster.yaml", use_small_models)
        head = (f"--port={port}", f"--dashboard-port={dashboard}", "--num-gpus=3", "--num-cpus=9")
        try:
            ray_start(folder, "--head", *head, "--labels=ray.io/market-type=on-demand")
            before = ray_processes(folder)
            spot = ("--num-gpus=2", "--num-cpus=8", "--labels=ray.io/market-type=spot")
            ray_start(folder, f"--address=127.0.0.1:{port}", *spot)
            assert len(ray_processes(folder)) > len(before)
            address = f"127.0.0.1:{port}"
            made = System(config, folder, f"sqlite:///{folder}/corpus.db", address)
            made.start()
            yield Cluster(made, address, f"http://127.0.0.1:{dashboard}", folder, config)
            made.stop()
        finally:
            for pid in ray_processes(folder):
                kill_if_alive(pid)


def ray_processes(folder):
    """Processes whose environment names this cluster's own folder."""
    mark = f"RAY_TMPDIR={folder}".encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                found.add(int(path.parent.name))
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return found
