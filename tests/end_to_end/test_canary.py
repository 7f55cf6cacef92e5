"""A second version of a simulated generator beside the first, under `serve deploy`."""

import asyncio
import json
import subprocess
import sys
import time

import httpx
import pytest
import yaml
from openai import OpenAI

from chaos.fleet import SIMULATED, Fleet
from chaos.simulated.app import HARMFUL
from tests.ray_environment import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.systems]

SHARE = 0.2
AT_ONCE = 16
GOOD = {"tokens_per_s": 50.0, "breaks": False, "first_word": "", "repeats": True}
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
            generator["user_config"] |= GOOD | {"max_concurrent_requests": AT_ONCE}
            generator["max_ongoing_requests"] = AT_ONCE
    second = json.loads(json.dumps(generator)) | {"name": "GeneratorCanary"}
    second["user_config"]["version"] = 1
    application["deployments"].append(second)
    path = tmp_path_factory.mktemp("canary") / "served.yaml"
    path.write_text(yaml.safe_dump(config))
    with Fleet(num_spot=0, config=path) as made:
        with OpenAI(base_url=f"{made.url}/v1", api_key="none", timeout=60) as client:
            store = client.vector_stores.create(name="documents")
            with (ROOT / "examples" / "handbook" / "documents.md").open("rb") as file:
                client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=file)
        yield made


class Client:
    """Asks questions, and knows which model wrote the answers."""

    def __init__(self, http):
        self._http = http
        self._room = asyncio.Semaphore(AT_ONCE)

    async def ask(self, *texts, only_good=True, model="generator", max_tokens=3):
        """Gives the fingerprint; every second text is an answer of before."""
        roles = ("user", "assistant")
        messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]
        body = {"model": model, "messages": messages, "max_tokens": max_tokens}
        async with self._room:
            reply = await self._http.post("/v1/chat/completions", json=body)
        assert reply.status_code == 200 or not only_good, reply.text
        return reply.json().get("system_fingerprint")

    async def ask_all(self, texts, **options):
        return await asyncio.gather(*(self.ask(text, **options) for text in texts))


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


async def asked_until_rolled_back(fleet, client, question, asking=None):
    """Asks numbered questions for at most a minute; gives who answered, and what is told then.

    Questions are decided upon as answers come, so they go on while the command asks how it is.
    """
    assert (await asyncio.to_thread(status, fleet))[1]["rolled_back"] == ""
    began, asked = time.monotonic(), []
    telling = asyncio.create_task(asyncio.to_thread(status, fleet))
    while True:
        texts = [question.format(len(asked) + at) for at in range(AT_ONCE)]
        asked += await client.ask_all(texts, only_good=False, **asking or {})
        if telling.done():
            code, seen = await telling
            if seen["rolled_back"]:
                assert code == 1
                return asked, seen
            assert time.monotonic() - began < 60
            telling = asyncio.create_task(asyncio.to_thread(status, fleet))


@pytest.mark.parametrize(
    ("version", "fault", "reason"),
    [
        (2, {"tokens_per_s": 2.0}, "half of its answers take"),
        (3, {"breaks": True}, "answers failed"),
        (4, {"first_word": HARMFUL}, "answers flagged"),
    ],
    ids=["slow", "failing", "flagged"],
)
async def test_a_bad_one_in_its_place_is_rolled_back_within_a_minute(
    fleet, client, version, fault, reason
):
    # What was rolled back stays so until the block of the canary says something new.
    anew = {"canary": {"share": SHARE, "min_answers": 5 + version}}
    bad = {
        "Gateway": {"user_config": anew},
        "GeneratorCanary": {"user_config": GOOD | {"version": version} | fault},
    }
    await asyncio.to_thread(fleet.edit, bad)
    asked, seen = await asked_until_rolled_back(fleet, client, f"Question {version} {{}}?")
    assert reason in seen["rolled_back"]
    assert seen["second"]["answers"] <= SHARE * len(asked) + AT_ONCE
    after = await client.ask_all(f"Question {number}?" for number in range(100))
    assert len(set(after)) == 1


async def test_one_that_writes_what_its_passages_do_not_say_is_rolled_back_within_a_minute(
    fleet, client
):
    version = 5
    anew = {"canary": {"share": SHARE, "min_answers": 5 + version}}
    inventing = {"user_config": GOOD | {"version": version, "repeats": False}}
    bad = {"Gateway": {"user_config": anew}, "GeneratorCanary": inventing}
    await asyncio.to_thread(fleet.edit, bad)
    asking = {"model": "rag:documents", "max_tokens": 12}
    asked, seen = await asked_until_rolled_back(fleet, client, "How large may file {} be?", asking)
    assert "passages have 0% of the words of its answers" in seen["rolled_back"]
    assert (seen["first"]["grounded"], seen["second"]["grounded"]) == (1.0, 0.0)
    assert seen["second"]["num_grounded"] >= 5 + version
    assert seen["second"]["answers"] <= SHARE * len(asked) + AT_ONCE
    after = await client.ask_all([f"How large may file {number} be?" for number in range(50)])
    assert len(set(after)) == 1
