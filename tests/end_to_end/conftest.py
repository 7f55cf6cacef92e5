"""Real systems: `serve run` of the real YAML files, on Ray clusters of their own."""

import json
import os
import re
import signal
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

from chaos import processes
from cluster.ports import free_port
from tests.browser import LAUNCH
from tests.handbook import load_handbook
from tests.ray_environment import BIN, ROOT, ray_environment

READY_S = 420  # the machines that run this are shared


@dataclass
class System:
    """One `serve run`, on a Ray cluster that it starts itself or on the one at `ray_address`."""

    config: Path
    folder: Path
    database: str
    ray_address: str = ""
    environment: dict = field(default_factory=dict)
    key: str = "none"
    process: subprocess.Popen = None

    @property
    def url(self):
        return f"http://127.0.0.1:{yaml.safe_load(self.config.read_text())['http_options']['port']}"

    @property
    def openai(self):
        return openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=self.key, timeout=120, max_retries=0
        )

    def create_key(self, *options):
        """Makes a key as an administrator does; gives its text."""
        done = subprocess.run(
            [sys.executable, "-m", "graphs.keys", "create", *options], check=True, cwd=ROOT,
            env={**os.environ, "RAGFLEET_DATABASE_URL": self.database}, capture_output=True,
            text=True, timeout=120,
        )  # fmt: skip
        return re.search(r"rf_[\w-]+", done.stdout)[0]

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
        victims = processes.descendants(self.process.pid)
        processes.kill([], also=victims | {self.process.pid}, timeout_s=30)
        self.process.wait(timeout=30)
        return victims


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
def browser():
    """Debian's Chromium, driven by Playwright."""
    tools = pytest.importorskip("playwright.sync_api")
    with tools.sync_playwright() as started, started.chromium.launch(**LAUNCH) as one:
        yield one


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
    """The handbook in the default store."""
    return load_handbook(system.openai)


def ray_start(folder, *options, environment=None):
    environment = {**os.environ, **ray_environment(folder), **(environment or {})}
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
    blocks["Ingester"]["user_config"]["max_chunk_tokens"] = 254  # what that embedder reads
    blocks["Generator"]["user_config"] = {
        "model": "bundled:generator",
        "engine": "transformers",
        "max_answer_tokens": 64,
        "engine_options": {"cache_tokens": 8192, "max_concurrent_requests": 16},
    }
    blocks["Generator"]["max_ongoing_requests"] = 16  # = max_concurrent_requests
    blocks["Generator"]["autoscaling_config"]["target_ongoing_requests"] = 12
    for name in ("Embedder", "Reranker", "SafetyFilter", "Generator"):
        blocks[name]["user_config"]["allow_cpu"] = True  # the GPUs are logical ones
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
            spot = ("--num-gpus=2", "--num-cpus=8", "--labels=ray.io/market-type=spot")
            ray_start(folder, f"--address=127.0.0.1:{port}", *spot)
            address = f"127.0.0.1:{port}"
            made = System(config, folder, f"sqlite:///{folder}/corpus.db", address)
            made.start()
            yield Cluster(made, address, f"http://127.0.0.1:{dashboard}", folder, config)
            made.stop()
        finally:
            own = processes.with_environment(f"RAY_TMPDIR={folder}")
            processes.kill([], also=own.union(*map(processes.descendants, own)))


@pytest.fixture(scope="module")
def probing():
    """Starts a process inside a cluster, which is asked by what this yields; see probe.py."""

    @contextmanager
    def start(address, environment):
        probe = Path(__file__).with_name("probe.py")
        with subprocess.Popen(
            [sys.executable, probe, address], env={**os.environ, **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) as process:  # fmt: skip

            def answer(question):
                process.stdin.write(f"{question}\n")
                process.stdin.flush()
                return json.loads(process.stdout.readline())

            yield answer
            process.stdin.close()
            process.wait(timeout=30)

    return start


@pytest.fixture(scope="session")
def start_system():
    """Serves an application in place of that of `local.yaml`, on a Ray node of its own."""

    def use_no_settings(blocks):
        for name in ("Reranker", "SafetyFilter", "Generator"):
            blocks[name]["user_config"] = {}
        blocks["Gateway"]["user_config"]["answers"] = "free"  # as the simulated generator does

    @contextmanager
    def start(import_path, change=use_no_settings, environment=None):
        with short_folder() as folder:
            path = write_config("local.yaml", folder / "local.yaml", change)
            config = yaml.safe_load(path.read_text())
            database = f"sqlite:///{folder}/corpus.db"
            # In `args`, since the node is started without the environment of `serve run`.
            application = {"import_path": import_path, "args": {"database_url": database}}
            config["applications"][0] |= application
            path.write_text(yaml.safe_dump(config))
            port, dashboard = free_port(), free_port()
            head = (f"--port={port}", f"--dashboard-port={dashboard}", "--num-cpus=4")
            try:
                ray_start(folder, "--head", *head, environment=environment)
                system = System(path, folder, database, f"127.0.0.1:{port}")
                system.environment = environment or {}
                system.start()
                yield system, f"http://127.0.0.1:{dashboard}"
                system.stop()
            finally:
                own = processes.with_environment(f"RAY_TMPDIR={folder}")
                processes.kill([], also=own.union(*map(processes.descendants, own)))

    return start
