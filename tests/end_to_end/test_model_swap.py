"""A model that is swapped while it writes, on a real Serve cluster: the rest is its own, or named.

The generator is simulated, so that a stream is slow enough to be caught and its text is known; what
real engines do is in tests/graphs/test_failover_bundled.py.
"""

import json
import os
import subprocess
import time

import httpx
import pytest
import yaml

from chaos import processes
from tests.ray_environment import BIN, ROOT, ray_environment

pytestmark = pytest.mark.ray
NUM_TOKENS = 90
BODY = {
    "model": "generator",
    "messages": [{"role": "user", "content": "Go on."}],
    "max_tokens": NUM_TOKENS,
    "stream": True,
}


class Served:
    """The system, its settings and the pid of its one generator."""

    def __init__(self, system, dashboard):
        self.system, self._dashboard = system, dashboard
        self._environment = {**os.environ, **ray_environment(system.folder)}

    def deploy(self, **generator):
        """Edits the Generator's block, as an engineer does, and waits until it is as fast."""
        ledger = self.system.folder / "ledger"
        config = yaml.safe_load(self.system.config.read_text())
        blocks = {block["name"]: block for block in config["applications"][0]["deployments"]}
        blocks["Generator"]["user_config"] = {**generator, "ledger": str(ledger)}
        self.system.config.write_text(yaml.safe_dump(config))
        subprocess.run(
            [BIN / "serve", "deploy", "--address", self._dashboard, self.system.config],
            env=self._environment, check=True, capture_output=True, timeout=120, cwd=ROOT,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while generator["tokens_per_s"] not in (told := self._speeds(ledger)):
            assert time.monotonic() < deadline, told
            time.sleep(0.2)

    def _speeds(self, ledger):
        """The tokens a second of the replicas that have told them and live."""
        served = [json.loads(path.read_text()) for path in ledger.glob("*.json")]
        return {one["tokens_per_s"] for one in served if processes.state_of(one["pid"])}

    def generator_pid(self):
        token = (self.system.folder / "auth_token").read_text()
        reply = httpx.get(
            f"{self._dashboard}/api/serve/applications/", timeout=30,
            headers={"authorization": f"Bearer {token}"},
        )  # fmt: skip
        deployments = reply.raise_for_status().json()["applications"]["ragfleet"]["deployments"]
        (replica,) = deployments["Generator"]["replicas"]
        return replica["pid"]

    def stream(self, **headers):
        """Gives (event id, chunk) of every event."""
        url = f"{self.system.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=BODY, headers=headers, timeout=300) as reply:
            assert reply.status_code == 200, reply.read()
            event_id = None
            for line in reply.iter_lines():
                if line.startswith("id: "):
                    event_id = line.removeprefix("id: ")
                elif line.startswith("data: {"):
                    yield event_id, json.loads(line.removeprefix("data: "))

    def swap(self, **generator):
        """Deploys another model, and returns when new answers are its own."""
        before = model_of(next(self.stream()))
        self.deploy(**generator)
        deadline = time.monotonic() + 120
        while model_of(next(self.stream())) == before:
            assert time.monotonic() < deadline, "the settings have not come"
            time.sleep(0.2)


def text_of(events):
    choices = [choice for _, chunk in events for choice in chunk.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def model_of(event):
    return event[0].split("-")[2]


@pytest.fixture(scope="module")
def served(start_system):
    with start_system("tests.end_to_end.moving_app:build") as (system, dashboard):
        yield Served(system, dashboard)


def write_through_a_loss(served, *, version):
    """Changes the settings and kills the replica in mid-stream; gives the events and the whole."""
    served.deploy(tokens_per_s=1000)
    whole = text_of(served.stream())
    assert len(whole.split()) == NUM_TOKENS
    served.deploy(tokens_per_s=1)
    stream = served.stream()
    start = time.monotonic()
    events = [next(stream) for _ in range(4)]
    if version:
        served.swap(tokens_per_s=1000, version=version)
    else:
        served.deploy(tokens_per_s=1000)
    processes.kill([served.generator_pid()])
    # One token a second: the answer cannot have ended before.
    assert time.monotonic() - start < NUM_TOKENS - 5, "the replica was lost too late"
    return [*events, *stream], whole


def test_an_answer_goes_on_exactly_when_the_model_is_still_the_same(served):
    events, whole = write_through_a_loss(served, version=0)
    assert text_of(events) == whole
    assert events[-1][1]["choices"][0]["finish_reason"] == "length"
    assert len({model_of(event) for event in events}) == 1


def test_an_answer_whose_model_is_gone_ends_with_its_name_and_without_other_text(served):
    events, whole = write_through_a_loss(served, version=1)
    assert whole.startswith(text_of(events))
    assert 0 < len(text_of(events)) < len(whole)
    assert events[-1][1]["error"]["code"] == "model_changed"


def test_a_client_that_comes_back_is_told_that_its_model_is_gone(served):
    served.swap(tokens_per_s=1000, version=2)
    key = {"idempotency-key": "swap"}
    events = list(served.stream(**key))
    half = events[len(events) // 2][0]
    rest = list(served.stream(**key, **{"last-event-id": half}))
    assert rest == events[len(events) // 2 + 1 :]
    served.swap(tokens_per_s=1000, version=3)
    reply = httpx.post(
        f"{served.system.url}/v1/chat/completions", json=BODY, timeout=120,
        headers={**key, "last-event-id": half},
    )  # fmt: skip
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "model_changed")
    assert reply.headers["x-should-retry"] == "false"
