"""A `serve run` or `serve deploy` of a config with faults ends before any model is loaded."""

import os
import subprocess
import time
from contextlib import contextmanager

import httpx
import pytest
import yaml

from chaos import processes
from cluster.ports import free_port
from tests.end_to_end.conftest import ray_start, short_folder
from tests.ray_environment import BIN, ROOT, ray_environment

pytestmark = pytest.mark.ray

REFUSED_S = 240  # the machines that run this are shared


class Node:
    """A Ray node on which nothing is served yet."""

    def __init__(self, folder, dashboard, address, environment):
        self.folder, self._dashboard = folder, dashboard
        self._environment = {
            **os.environ, **environment, "RAY_ADDRESS": address,
            "RAY_DASHBOARD_ADDRESS": dashboard,
        }  # fmt: skip

    def serve(self, command, file):
        """The exit status and the words of a command line of Serve, run in the file's folder."""
        done = subprocess.run(
            [BIN / "serve", command, file], env=self._environment, cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=REFUSED_S,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def application(self):
        """What Serve says of the application once it has been refused."""
        token = (self.folder / "auth_token").read_text()
        headers = {"authorization": f"Bearer {token}"}
        deadline = time.monotonic() + REFUSED_S
        while time.monotonic() < deadline:
            url = f"{self._dashboard}/api/serve/applications/"
            found = httpx.get(url, headers=headers, timeout=60).raise_for_status().json()
            application = found["applications"].get("ragfleet", {})
            if application.get("status") == "DEPLOY_FAILED":
                return application
            time.sleep(0.5)
        pytest.fail(f"not refused after {REFUSED_S} s: {found}")

    def num_replicas_ever(self):
        """Serve writes a log for each replica that it starts."""
        return len([*self.folder.glob("session_*/logs/serve/replica_*")])


@contextmanager
def started(**more):
    with short_folder() as folder:
        port, dashboard = free_port(), free_port()
        options = (f"--port={port}", f"--dashboard-port={dashboard}", "--num-cpus=4")
        environment = ray_environment(folder) | more
        try:
            ray_start(folder, "--head", *options, environment=more)
            yield Node(folder, f"http://127.0.0.1:{dashboard}", f"127.0.0.1:{port}", environment)
        finally:
            own = processes.with_environment(f"RAY_TMPDIR={folder}")
            processes.kill([], also=own.union(*map(processes.descendants, own)))


@pytest.fixture(scope="module")
def node():
    with started() as made:
        yield made


@pytest.fixture
def open_node():
    """One whose Ray asks nobody for a token."""
    with started(RAY_AUTH_MODE="disabled") as made:
        yield made


def wrong_copy(folder, name):
    text = (ROOT / "local.yaml").read_text()
    for old, new in {
        "max_tokens: 192": "max_token: 192",
        "port: 8000": f"port: {free_port()}",
        # The Reranker's.
        "max_ongoing_requests: 256\n        max_queued_requests: 64\n": "max_queued_request: 64\n",
    }.items():
        assert old in text
        text = text.replace(old, new, 1)
    (folder / name).write_text(text)
    return {
        key: next(n for n, line in enumerate(text.splitlines(), 1) if key + ":" in line)
        for key in ("max_token", "max_queued_request")
    }


def test_serve_run_tells_file_and_line_and_ends(node):
    lines = wrong_copy(node.folder, "copy.yaml")
    status, words = node.serve("run", "copy.yaml")
    assert status not in (0, None)
    hint = "did you mean 'max_tokens'?"
    told = f"copy.yaml:{lines['max_token']}: Reranker.user_config: unknown key 'max_token'; {hint}"
    assert told in words
    assert f"copy.yaml:{lines['max_queued_request']}: Reranker: unknown key" in words
    application = node.application()
    assert told in application["message"]
    assert application["deployments"] == {}
    assert node.num_replicas_ever() == 0


def test_serve_deploy_is_refused_where_no_file_is_found(node):
    """Over REST the controller has all but the file; Serve has dropped the keys of its own."""
    wrong_copy(node.folder, "other.yaml")
    config = yaml.safe_load((node.folder / "other.yaml").read_text())
    (application,) = config["applications"]
    application["deployments"] = [b for b in application["deployments"] if b["name"] != "Generator"]
    application["deployments"][0]["num_replicas"] = "auto"
    application["runtime_env"] = {"env_var": {"A": "b"}}
    (node.folder / "other.yaml").write_text(yaml.safe_dump(config))
    status, words = node.serve("deploy", "other.yaml")
    assert status == 0, words
    deadline = time.monotonic() + REFUSED_S
    while "missing block 'Generator'" not in (told := node.application()["message"]):
        assert time.monotonic() < deadline, told
        time.sleep(0.5)
    assert "Reranker.user_config: unknown key 'max_token'; did you mean 'max_tokens'?" in told
    assert "Gateway: num_replicas must be a whole number or be left out, got 'auto'" in told
    assert "runtime_env: unknown key 'env_var'; did you mean 'env_vars'?" in told
    assert node.num_replicas_ever() == 0


def test_no_other_machine_is_served_from_a_ray_that_runs_code_of_everybody(open_node):
    text = (ROOT / "local.yaml").read_text()
    for old, new in {
        "host: 127.0.0.1": "host: 0.0.0.0",
        "port: 8000": f"port: {free_port()}",
        "answers: quote": "auth: {keys: true}\n          answers: quote",
    }.items():
        assert old in text
        text = text.replace(old, new, 1)
    (open_node.folder / "open.yaml").write_text(text)
    status, words = open_node.serve("run", "open.yaml")
    assert status not in (0, None)
    assert "start every Ray process with RAY_AUTH_MODE=token" in words
    assert open_node.num_replicas_ever() == 0
