"""`local.yaml` with `engine: vllm` under `serve run`: its one generator killed in mid-answer, LoRA.

The bundled weights are read in full precision: vLLM's kernels of 4 bit want AVX-512 or a GPU.
"""

import asyncio
import os
import subprocess
import time
from functools import partial

import httpx
import openai
import pytest
import yaml

from chaos import processes
from tests.handbook import load_handbook
from tests.models.adapters.made import make_adapter
from tests.ray_environment import BIN, ROOT, ray_environment

pytestmark = [pytest.mark.ray, pytest.mark.systems, pytest.mark.vllm]

NUM_TOKENS = 120


def use_vllm(adapters, blocks):
    generator = blocks["Generator"]
    generator["max_ongoing_requests"] = 64
    generator["user_config"] |= {
        "model": str(ROOT / "models" / "bundled" / "generator-full"),
        "engine": "vllm",
        "allow_cpu": True,
        "max_adapters": 2,
        "max_adapter_rank": 8,
        "adapters": {"one": adapters["one"]},
        "engine_options": {
            "dtype": "float32",
            "max_concurrent_requests": 64,
            "options": {"enforce_eager": True},  # compiling takes longer than these tests
        },
    }
    gateway = blocks["Gateway"]["user_config"]
    gateway |= {
        "answers": "free",
        "failover": {"resume_s": 300},  # its one generator has to be loaded anew
        "timeouts": {"slot_s": 60},
        # Hot answers of a small model are gibberish; and unchecked, all questions begin together.
        "safety": {"check_question": False, "check_answer": False},
    }


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    return {name: str(make_adapter(folder / name, at)) for at, name in enumerate(("one", "two"))}


@pytest.fixture(scope="module")
def served(start_system, adapters):
    """The system, and where `serve deploy` finds it."""
    pytest.importorskip("vllm", reason="make test-vllm installs it")
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1"}
    with start_system("graphs.app:build", partial(use_vllm, adapters), environment) as made:
        yield made


@pytest.fixture(scope="module")
def system(served):
    return served[0]


def generators(system):
    """The pids of the replicas of the generator."""
    own = processes.with_environment(f"RAY_TMPDIR={system.folder}")
    found = own.union(*map(processes.descendants, own))
    return {pid for pid in found if ":Generator" in " ".join(processes.arguments(pid, "ray::"))}


class Answers:
    """Answers that are written at once: the even ones greedily, the odd ones by a seed.

    An adapter writes every third of them.
    """

    def __init__(self, url, num_streams):
        self._client = openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key="none", timeout=600, max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                limits=httpx.Limits(max_connections=num_streams)
            ),
        )  # fmt: skip
        self.pieces = [[] for _ in range(num_streams)]
        self.ends = [None] * num_streams

    async def write(self, number):
        sampling = {"temperature": 1.5, "seed": number} if number % 2 else {"temperature": 0}
        stream = await self._client.chat.completions.create(
            model="generator" if number % 3 else "generator:one",
            stream=True, max_tokens=NUM_TOKENS,
            messages=[{"role": "user", "content": f"[1] Port\nIt is 8000.\n\nWhat is {number}?"}],
            extra_body={"ignore_eos": True}, **sampling,
        )  # fmt: skip
        async for chunk in stream:
            for choice in chunk.choices:
                self.pieces[number].append(choice.delta.content or "")
                self.ends[number] = choice.finish_reason or self.ends[number]

    async def write_all(self):
        async with self._client:
            await asyncio.gather(*map(self.write, range(len(self.ends))))
        return ["".join(pieces) for pieces in self.pieces]

    async def until_all_have_begun(self):
        while not all(map("".join, self.pieces)):
            assert not any(self.ends), "one ended before the last had begun"
            await asyncio.sleep(0.01)


async def test_answers_whose_only_generator_is_killed_are_exact(system, request):
    num_streams = request.config.getoption("streams")
    whole = Answers(system.url, num_streams)
    expected = await whole.write_all()
    assert whole.ends == ["length"] * num_streams
    assert len(set(expected)) > num_streams / 2

    moved = Answers(system.url, num_streams)
    writing = asyncio.create_task(moved.write_all())
    await asyncio.wait_for(moved.until_all_have_begun(), 300)
    assert not any(moved.ends)
    (victim,) = generators(system)
    await asyncio.to_thread(processes.kill, [victim])
    got = await writing
    assert [n for n in range(num_streams) if got[n] != expected[n]] == []
    assert moved.ends == whole.ends
    assert generators(system) != {victim}


def test_a_question_is_answered_from_the_documents(system):
    load_handbook(system.openai)
    question = "What happens when the safety filter is down?"
    reply = system.openai.chat.completions.create(
        model="rag", messages=[{"role": "user", "content": question}], temperature=0
    )
    sources = reply.choices[0].message.model_extra["context"]["citations"]
    assert sources[0]["filepath"] == "safety.md"
    assert reply.choices[0].message.content


def deploy(served, adapters):
    """Changes the adapters alone, as a platform engineer does."""
    system, dashboard = served
    config = yaml.safe_load(system.config.read_text())
    blocks = config["applications"][0]["deployments"]
    block = next(one for one in blocks if one["name"] == "Generator")
    block["user_config"]["adapters"] = adapters
    system.config.write_text(yaml.safe_dump(config))
    subprocess.run(
        [BIN / "serve", "deploy", "--address", dashboard, system.config], check=True,
        env={**os.environ, **ray_environment(system.folder)}, capture_output=True, timeout=300,
        cwd=ROOT,
    )  # fmt: skip


def until_listed(system, names):
    deadline = time.monotonic() + 120
    while True:
        found = {one.id for one in system.openai.models.list() if one.id.startswith("generator:")}
        if found == {f"generator:{name}" for name in names}:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def test_adapters_come_and_go_with_a_deploy_that_restarts_nothing(served, system, adapters):
    def begin(model, **options):
        words = [{"role": "user", "content": "Go on."}]
        return system.openai.chat.completions.create(
            model=model, messages=words, temperature=0, extra_body={"ignore_eos": True}, **options
        )

    def text(model):
        return begin(model, max_tokens=24).choices[0].message.content

    before, alone = (
        generators(system),
        {name: text(name) for name in ("generator", "generator:one")},
    )
    stream = begin("generator:one", max_tokens=400, stream=True)
    next(stream)
    deploy(served, {"two": adapters["two"]})
    until_listed(system, {"two"})
    with pytest.raises(openai.NotFoundError):
        text("generator:one")
    assert [chunk.choices[0].finish_reason for chunk in stream if chunk.choices][-1] == "length"
    assert text("generator") == alone["generator"]
    assert text("generator:two") not in alone.values()
    deploy(served, adapters)
    until_listed(system, {"one", "two"})
    assert text("generator:one") == alone["generator:one"]
    assert generators(system) == before
