"""Two engines of the bundled GPTQ generator: answers that lose one stay the same, or say why not.

One answer at a time, so that the numbers do not depend on what else is in the batch: there about
one sampled token in a hundred thousand is a near tie that rounding decides otherwise.
"""

import asyncio
import random
from contextlib import aclosing
from itertools import cycle

import pytest

from deployments.generator import Generator as GeneratorDeployment
from graphs.config import FailoverSettings, GatewayConfig
from graphs.errors import ReplicaLostError
from graphs.failover import ResumingGenerator
from graphs.pipeline.events import TextDelta, choice_of
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from models.bundled.prepare import BUNDLED
from models.constraints import Choices
from models.errors import ModelChangedError
from models.generation import GenerationRequest, Message, Sampling
from models.generator import Generator, GeneratorConfig
from tests.graphs.fake_stages import FakeStages, chat, word_counter

pytestmark = pytest.mark.filterwarnings("ignore")  # gptqmodel and torchao warn at import
QUESTIONS = ("Tell me all.", "Which port?", "Why is the API slow?", "Go on.")
CHOICES = Choices(
    texts=("The API listens on port 8000. [1]", "The API is slow. [1]", "I don't know.")
)


OPTIONS = {"cache_tokens": 16384, "max_concurrent_requests": 1, "dtype": "float32"}


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    config = GeneratorConfig(model="bundled:generator", engine_options=OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPTQMODEL_CPU_WORKERS", "2")
        cache = tmp_path_factory.mktemp("cache")
        made = [Generator(config, cache=cache) for _ in range(2)]
        yield made
        for engine in made:
            engine.close()


class Losing:
    """Streams from one engine after the other; each attempt in `lost_at` ends after that token."""

    def __init__(self, engines, lost_at=()):
        self.engines = cycle(engines)
        self.lost_at = list(lost_at)
        self.num_lost = 0

    async def stream(self, request, *, slot_s=None):
        end = self.lost_at.pop(0) if self.lost_at else float("inf")
        async for chunk in next(self.engines).stream(request):
            yield chunk
            if chunk.position + len(chunk.token_ids) >= end and chunk.finish_reason is None:
                self.num_lost += 1
                raise ReplicaLostError("lost")

    async def tokens(self):
        return word_counter(context_tokens=1000, max_answer_tokens=100)


def ask(number):
    content = f"[1] Port\nThe API listens on port 8000.\n\nQuestion: {QUESTIONS[number % 4]}"
    sampling = Sampling(
        max_tokens=40,
        temperature=2.0 * (number % 2),
        seed=number,
        stop=("slow.",) if number % 5 == 0 else (),
    )
    return GenerationRequest(
        request_id=str(number),
        messages=(Message(role="user", content=content),),
        sampling=sampling,
        constraint=CHOICES if number % 3 == 0 else None,
    )


async def read_into(chunks, losing, number, **settings):
    stream = ResumingGenerator(losing, FailoverSettings(**settings)).stream(ask(number))
    async for chunk in stream:
        chunks.append(chunk)


async def read(losing, number):
    chunks = []
    await read_into(chunks, losing, number)
    return (
        [token for chunk in chunks for token in chunk.token_ids],
        "".join(chunk.text for chunk in chunks),
        chunks[-1].finish_reason,
        chunks[-1].num_prompt_tokens,
    )


async def test_answers_that_lose_their_generator_equal_those_that_do_not(engines, request):
    numbers = range(request.config.getoption("--streams"))
    whole = await asyncio.gather(*(read(Losing(engines), number) for number in numbers))
    chance = random.Random(7)
    losing = [Losing(engines, sorted(chance.sample(range(1, 12), 2))) for _ in numbers]
    moved = await asyncio.gather(*(read(losing[number], number) for number in numbers))
    wrong = [n for n in numbers if moved[n] != whole[n]]
    assert not wrong, [(moved[n], whole[n]) for n in wrong[:3]]
    assert sum(one.num_lost for one in losing) >= len(numbers)
    assert len({tuple(ids) for ids, *_ in whole}) > len(numbers) / 4


async def test_without_resuming_they_would_be_lost(engines):
    stream = ResumingGenerator(Losing(engines, [3]), FailoverSettings(max_migrations=0))
    with pytest.raises(ReplicaLostError):
        async for _ in stream.stream(ask(0)):
            pass


class Unserved(GeneratorDeployment.func_or_class):
    """Serve awaits `__del__`; Python itself cannot."""

    def __del__(self):
        pass


@pytest.fixture
async def swapped():
    """A replica whose model is swapped by the test."""
    made = Unserved()
    await made.reconfigure(
        {"model": "bundled:generator", "engine_options": {**OPTIONS, "max_concurrent_requests": 2}}
    )
    yield made
    await GeneratorDeployment.func_or_class.__del__(made)


async def test_after_a_swap_a_lost_answer_goes_on_by_its_own_model_or_not_at_all(engines, swapped):
    whole = await read(Losing(engines), 1)
    async with aclosing(swapped.stream(ask(3))) as running:  # holds the old model on this replica
        old = (await anext(running)).identity
        await swapped.reconfigure(
            {"model": str(BUNDLED / "generator-full"), "engine_options": OPTIONS}
        )
        assert old == engines[0].identity.digest
        for _ in range(1200):  # it is loaded beside the old one
            if (await swapped.describe()).identity != old:
                break
            await asyncio.sleep(0.05)
        losing = Losing([engines[0], swapped], [5])
        assert await read(losing, 1) == whole
        assert losing.num_lost == 1
    await asyncio.gather(*swapped._life._tasks)  # the old model is closed

    losing = Losing([engines[0], *[swapped] * 99], [5])
    chunks = []
    with pytest.raises(ModelChangedError):
        await read_into(chunks, losing, 1, resume_s=1.0)
    delivered = [token for chunk in chunks for token in chunk.token_ids]
    assert len(delivered) >= 5
    assert delivered == whole[0][: len(delivered)]
    assert {chunk.identity for chunk in chunks} == {old}


async def choices_of(losing):
    """Asks for three answers with the probabilities of their tokens; gives each one's."""
    fake = FakeStages()
    stages = Stages(
        embedder=fake, retriever=fake, reranker=fake, judge=fake, safety=fake,
        generator=ResumingGenerator(losing, FailoverSettings()),
    )  # fmt: skip
    sampling = Sampling(max_tokens=24, temperature=1.0, seed=5, top_logprobs=2)
    asked = chat("Which port?", retrieves=False, num_choices=3, sampling=sampling)
    told = {}
    async for event in RagPipeline(GatewayConfig(), stages).answer(asked):
        index, delta = choice_of(event)
        if isinstance(delta, TextDelta):
            text, tokens = told.get(index, ("", ()))
            told[index] = text + delta.text, tokens + delta.tokens
    return told


async def test_choices_and_probabilities_are_the_same_where_answers_go_on(engines):
    whole = await choices_of(Losing(engines))
    losing = Losing(engines, [4, 9, 6])
    moved = await choices_of(losing)
    assert losing.num_lost == 3
    assert sorted(moved) == [0, 1, 2]
    assert len({text for text, _ in whole.values()}) == 3
    for index, (text, tokens) in whole.items():
        other_text, other_tokens = moved[index]
        assert text == other_text
        assert [one.raw for one in tokens] == [one.raw for one in other_tokens]
        assert b"".join(one.raw for one in tokens).decode(errors="replace").strip() == text.strip()
        assert [one.logprob for one in tokens] == pytest.approx(
            [one.logprob for one in other_tokens], abs=1e-3
        )
        assert all(len(one.top) == 2 for one in tokens)
