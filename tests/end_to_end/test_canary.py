"""A second version of a simulated generator beside the first, under `serve deploy`."""

import asyncio
import json
import subprocess
import sys
import time

import httpx
import pytest
import yaml

from chaos.fleet import SIMULATED, Fleet
from tests.ray_environment import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.systems]

SHARE = 0.2
AT_ONCE = 16
_ONE = {"min_replicas": 1, "max_replicas": 1}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    config = yaml.safe_load(SIMULATED.read_text())
    (application,) = config["applications"]
    application["args"] = {"canary": True}
    for block in application["deployments"]:
        block["autoscaling_config"] = _ONE  # nothing is killed here
        if block["name"] == "Gateway":
            block["user_config"]["canary"] = {"share": SHARE}
        if block["name"] == "Generator":
            generator = block
            generator["user_config"] |= {"tokens_per_s": 50.0, "max_concurrent_requests": AT_ONCE}
            generator["max_ongoing_requests"] = AT_ONCE
    second = json.loads(json.dumps(generator)) | {"name": "GeneratorCanary"}
    second["user_config"]["version"] = 1
    application["deployments"].append(second)
    path = tmp_path_factory.mktemp("canary") / "served.yaml"
    path.write_text(yaml.safe_dump(config))
    with Fleet(num_spot=0, config=path) as made:
        yield made


class Client:
    """Asks questions, and knows which model wrote the answers."""

    def __init__(self, http):
        self._http = http
        self._room = asyncio.Semaphore(AT_ONCE)

    async def ask(self, *texts):
        """Gives the fingerprint; every second text is an answer of before."""
        roles = ("user", "assistant")
        messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]
        body = {"model": "generator", "messages": messages, "max_tokens": 3}
        async with self._room:
            reply = await self._http.post("/v1/chat/completions", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()["system_fingerprint"]

    async def ask_all(self, texts):
        return await asyncio.gather(*(self.ask(text) for text in texts))


@pytest.fixture
async def client(fleet):
    async with httpx.AsyncClient(base_url=fleet.url, timeout=60) as http:
        yield Client(http)


def status(fleet):
    """What `python -m cluster.canary status` says, and its exit status."""
    command = [sys.executable, "-m", "cluster.canary", "status", "--json"]
    done = subprocess.run(
        [*command, "--address", fleet.ray_address], env=fleet.environment, cwd=ROOT,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    (one,) = json.loads(done.stdout)
    return done.returncode, one


async def test_a_share_gets_the_second_version_and_conversations_stay_with_theirs(fleet, client):
    questions = [f"Question {number}?" for number in range(1000)]
    wrote = await client.ask_all(questions)
    share = min(wrote.count(one) for one in set(wrote)) / len(wrote)
    assert len(set(wrote)) == 2
    assert abs(share - SHARE) <= 0.02
    later = await asyncio.gather(*(client.ask(text, "So.", "And?") for text in questions[:100]))
    assert later == wrote[:100]
    code, seen = await asyncio.to_thread(status, fleet)
    assert (code, seen["rolled_back"]) == (0, "")
    assert seen["second"]["answers"] > 150


async def test_a_slow_one_in_its_place_is_rolled_back_within_a_minute(fleet, client):
    slow = {"GeneratorCanary": {"user_config": {"version": 2, "tokens_per_s": 2.0}}}
    await asyncio.to_thread(fleet.edit, slow)
    began, wrote = time.monotonic(), []
    while True:
        wrote += await client.ask_all(f"Question {len(wrote) + at}?" for at in range(AT_ONCE))
        code, seen = await asyncio.to_thread(status, fleet)
        if seen["rolled_back"]:
            break
        assert time.monotonic() - began < 60
    assert code == 1
    assert seen["second"]["answers"] <= SHARE * len(wrote) + AT_ONCE
    after = await client.ask_all(f"Question {number}?" for number in range(100))
    assert len(set(after)) == 1
