"""Clients as people install them, each unmodified, against one system; see tests/clients/."""

import os
import re
import subprocess
import sys
import time

import pytest
import yaml

from tests.handbook import load_handbook
from tests.ray_environment import BIN, ROOT, ray_environment

CLIENTS = ROOT / "tests" / "clients"
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
WEBUI_PYTHON = ROOT / ".venv-webui" / "bin" / "python"

NAMES = ("openai", "agents", "langchain", "llamaindex", "litellm", "cohere", "mcp")

pytestmark = [pytest.mark.systems, pytest.mark.clients]
needs_clients = pytest.mark.skipif(
    not PYTHON.exists(), reason="`make test-clients` installs the clients"
)
needs_webui = pytest.mark.skipif(
    not WEBUI_PYTHON.exists(), reason="`make test-webui` installs Open WebUI"
)


class Server:
    """The graph of `local.yaml`, whose way to answer can be changed; keys are needed to quote."""

    def __init__(self, system, dashboard):
        self._system, self._dashboard = system, dashboard

    def answer(self, how):
        """Deploys the config with `answers` changed, and waits until that is at work."""
        config = yaml.safe_load(self._system.config.read_text())
        blocks = {block["name"]: block for block in config["applications"][0]["deployments"]}
        blocks["Gateway"]["user_config"] |= {"answers": how, "auth": {"keys": how == "quote"}}
        self._system.config.write_text(yaml.safe_dump(config))
        environment = {**os.environ, **ray_environment(self._system.folder)}
        subprocess.run(
            [BIN / "serve", "deploy", "--address", self._dashboard, self._system.config],
            env=environment, check=True, capture_output=True, timeout=120, cwd=ROOT,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while ("generator" in self._models()) != (how == "free"):
            assert time.monotonic() < deadline
            time.sleep(0.5)

    def _models(self):
        """A model to chat with is listed only where it may write freely."""
        return {model.id for model in self._system.openai.models.list()}

    def ask(self, client, how, python=PYTHON):
        """Runs the tests of one client; gives what they printed."""
        environment = {**os.environ, "RAGFLEET_URL": self._system.url, "RAGFLEET_ANSWERS": how}
        # What is read of the output below must not depend on options of the run around it.
        environment |= {"RAGFLEET_KEY": self._system.key, "PYTEST_ADDOPTS": ""}
        command = [python, "-m", "pytest", "-q", "-c", CLIENTS / "pytest.ini", "--rootdir", CLIENTS]
        done = subprocess.run(
            [*command, CLIENTS / f"{client}_client.py"], env=environment, cwd=CLIENTS,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
        )  # fmt: skip
        return done.stdout


@pytest.fixture(scope="module")
def server(start_system):
    with start_system("graphs.app:build", lambda blocks: None) as (system, dashboard):
        load_handbook(system.openai)
        system.key = system.create_key("--scopes", "query,ingest")
        yield Server(system, dashboard)


@needs_webui
def test_open_webui_on_a_server_that_quotes(server):
    server.answer("quote")
    check_passed({"open_webui": server.ask("open_webui", "quote", WEBUI_PYTHON)})


@needs_clients
def test_clients_of_a_server_that_quotes(server):
    server.answer("quote")
    told = {client: server.ask(client, "quote") for client in NAMES}
    # The one that this repository itself is written for is newer than what the others take.
    told["openai, newer"] = server.ask("openai", "quote", sys.executable)
    check_passed(told)


@needs_clients
def test_clients_of_a_server_that_writes_freely(server):
    server.answer("free")
    told = {
        client: server.ask(client, "free")
        for client in ("openai", "agents", "langchain", "llamaindex")
    }
    check_passed(told)


def check_passed(told):
    """Fails with what those printed that did not pass, by client."""
    passed = re.compile(r"\n\d+ passed(, \d+ skipped)?(, \d+ warnings?)? in [^\n]*\n$")
    failed = [f"{client}:\n{text}" for client, text in told.items() if not passed.search(text)]
    assert not failed, "\n".join(failed)
