"""`local.yaml` with `engine: vllm` under `serve run`, and its one generator killed in mid-answer.

The bundled weights are read in full precision: vLLM's kernels of 4 bit want AVX-512 or a GPU.
"""

import asyncio

import httpx
import openai
import pytest

from chaos import processes
from tests.end_to_end.conftest import System, short_folder, write_config
from tests.handbook import load_handbook
from tests.ray_environment import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.systems, pytest.mark.vllm]

NUM_TOKENS = 120


def use_vllm(blocks):
    generator = blocks["Generator"]
    generator["max_ongoing_requests"] = 64
    generator["user_config"] |= {
        "model": str(ROOT / "models" / "bundled" / "generator-full"),
        "engine": "vllm",
        "allow_cpu": True,
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
def served():
    pytest.importorskip("vllm", reason="make test-vllm installs it")
    with short_folder() as folder:
        config = write_config("local.yaml", folder / "local.yaml", use_vllm)
        made = System(config, folder, f"sqlite:///{folder}/corpus.db")
        made.environment = {"VLLM_CPU_KVCACHE_SPACE": "1"}
        made.start()
        yield made
        made.stop()


def generators(system):
    """The pids of the replicas of the generator."""
    found = processes.descendants(system.process.pid)
    return {pid for pid in found if ":Generator" in " ".join(processes.arguments(pid, "ray::"))}


class Answers:
    """Answers that are written at once; the even ones greedily, the odd ones by a seed."""

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
            model="generator", stream=True, max_tokens=NUM_TOKENS,
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


async def test_answers_whose_only_generator_is_killed_are_exact(served, request):
    num_streams = request.config.getoption("streams")
    whole = Answers(served.url, num_streams)
    expected = await whole.write_all()
    assert whole.ends == ["length"] * num_streams
    assert len(set(expected)) > num_streams / 2

    moved = Answers(served.url, num_streams)
    writing = asyncio.create_task(moved.write_all())
    await asyncio.wait_for(moved.until_all_have_begun(), 300)
    assert not any(moved.ends)
    (victim,) = generators(served)
    await asyncio.to_thread(processes.kill, [victim])
    got = await writing
    assert [n for n in range(num_streams) if got[n] != expected[n]] == []
    assert moved.ends == whole.ends
    assert generators(served) != {victim}


def test_a_question_is_answered_from_the_documents(served):
    load_handbook(served.openai)
    question = "What happens when the safety filter is down?"
    reply = served.openai.chat.completions.create(
        model="rag", messages=[{"role": "user", "content": question}], temperature=0
    )
    sources = reply.choices[0].message.model_extra["context"]["citations"]
    assert sources[0]["filepath"] == "safety.md"
    assert reply.choices[0].message.content
