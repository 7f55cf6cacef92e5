"""Several answers to one question, and the probabilities of their tokens, over fake stages."""

import asyncio

import pytest

from graphs.errors import StageUnavailableError
from graphs.pipeline.choices import choice_seed
from graphs.pipeline.events import Finished, Retrieved, Sampling, TextDelta, choice_of
from graphs.pipeline.prompt import NO_ANSWER
from tests.graphs.fake_stages import IDENTITY, FakeStages, chat, events_of

SEEDED = Sampling(seed=7)
SMALL = {"segment_chars": 8, "window_chars": 16}


def by_choice(events):
    """Gives the events of every answer, in the order of their first."""
    choices = {}
    for index, event in map(choice_of, events[1:]):
        choices.setdefault(index, []).append(event)
    return choices


def texts(events):
    return {
        index: "".join(event.text for event in told if isinstance(event, TextDelta))
        for index, told in by_choice(events).items()
    }


class BySeed(FakeStages):
    """Writes another answer for every seed, at another speed."""

    async def stream(self, request):
        speed = 0.001 * (request.sampling.seed % 5)
        self.answer = (f"{request.sampling.seed} ", "is ", "the ", "seed. ", "[1]")
        async for chunk in super().stream(request):
            await asyncio.sleep(speed)
            yield chunk


async def test_choices_share_passages_and_prompt_and_have_seeds_of_their_own():
    fake = BySeed()
    events = await events_of(fake, chat("What is two?", num_choices=6, sampling=SEEDED))
    assert [type(event) for event in events].count(Retrieved) == 1
    assert len(fake.searches) == 1
    assert len({request.messages for request in fake.prompts}) == 1
    seeds = [choice_seed(7, index) for index in range(6)]
    assert [request.sampling.seed for request in fake.prompts] == seeds
    assert (seeds[0], len(set(seeds))) == (7, 6)
    assert texts(events) == {at: f"{seed} is the seed. [1]" for at, seed in enumerate(seeds)}
    ends = [told[-1] for told in by_choice(events).values()]
    assert all(isinstance(end, Finished) and end.usage.num_completion_tokens == 5 for end in ends)
    assert fake.num_streams_open == 0


async def test_the_order_of_events_does_not_depend_on_timing():
    asked = chat("What is two?", num_choices=5, sampling=SEEDED)

    first = [choice_of(event)[0] for event in await events_of(BySeed(), asked, safety=SMALL)]
    slow = BySeed(delay_s=0.002)
    again = [choice_of(event)[0] for event in await events_of(slow, asked, safety=SMALL)]
    assert first == again
    assert first[:6] != sorted(first[:6])  # they are given in turns


async def test_all_choices_are_of_the_model_that_wrote_the_first():
    fake = FakeStages()
    await events_of(fake, chat("What is two?", num_choices=2, sampling=SEEDED))
    assert [request.identity for request in fake.prompts] == [None, IDENTITY.digest]


@pytest.mark.parametrize(
    ("fake", "question", "text"),
    [
        (FakeStages(hits=()), "What is two?", NO_ANSWER),
        (FakeStages(harmful="two"), "What is two?", ""),
        (FakeStages(), "hello", None),
    ],
)
async def test_an_answer_that_is_known_is_every_choice(fake, question, text):
    events = await events_of(fake, chat(question, num_choices=3, sampling=SEEDED))
    found = texts(events)
    assert len(set(found.values())) == 1
    assert sorted(by_choice(events)) == [0, 1, 2]
    assert text is None or found[2] == text
    assert fake.prompts == []


async def test_a_choice_that_fails_fails_the_request_and_stops_the_others():
    class Failing(FakeStages):
        async def stream(self, request):
            if len(self.prompts) == 2:
                raise StageUnavailableError("gone")
            async for chunk in super().stream(request):
                yield chunk

    fake = Failing()
    with pytest.raises(StageUnavailableError, match="gone"):
        await events_of(fake, chat("What is two?", num_choices=3, sampling=SEEDED))
    assert fake.num_streams_open == 0


async def test_tokens_come_with_their_text_also_where_markers_are_taken_out():
    fake = FakeStages(answer=("  Two ", "is ", "even", " [9]", ". ", "[1]", " "))
    asked = chat("What is two?", sampling=Sampling(seed=1, top_logprobs=0))
    events = await events_of(fake, asked, safety=SMALL)
    deltas = [event for event in events if isinstance(event, TextDelta)]
    assert "".join(delta.text for delta in deltas) == "Two is even. [1]"
    told = [b"".join(token.raw for token in delta.tokens).decode() for delta in deltas]
    assert "".join(told) == "".join(fake.answer)
    assert told[0] == "  Two is even [9]. "  # with the first segment, not at the end of the answer


async def test_no_token_of_a_refused_answer_is_told():
    fake = FakeStages(answer=("Fine so far. ", "Now \0 harm. "))
    asked = chat("What is two?", sampling=Sampling(seed=1, top_logprobs=2))
    events = await events_of(fake, asked, safety=SMALL)
    raw = b"".join(t.raw for e in events if isinstance(e, TextDelta) for t in e.tokens)
    assert raw == b"Fine so far. "
    assert events[-1].finish_reason == "content_filter"
