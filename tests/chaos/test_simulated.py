"""The simulated models keep the contracts of the real ones, where others rely on them."""

from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer

from chaos.fleet import SIMULATED
from chaos.served_config import changed_config
from chaos.simulated import app as simulated
from chaos.simulated.generator import Generator, SimulatedGeneratorConfig
from graphs.errors import ConfigError
from graphs.serve_config.reader import read_serve_config
from models.constraints import Choices
from models.errors import ContextLengthError, InvalidInputError, ModelChangedError
from models.generation import GenerationRequest, Message, Sampling
from models.token_counter import TokenCounter

QUESTION = Message(role="user", content="Which port is it?")


def request(**sampling):
    settings = {"max_tokens": 12, "temperature": 1.0, "seed": 5, **sampling}
    return GenerationRequest(request_id="r", messages=(QUESTION,), sampling=Sampling(**settings))


async def generator(**settings):
    made = Generator.func_or_class()
    await made.reconfigure({"tokens_per_s": 1e6, **settings})
    return made


async def answer(made, asked):
    return [chunk async for chunk in made.stream(asked)]


def text(chunks):
    return "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize("repeats", [False, True])
async def test_a_resumed_answer_is_the_rest_of_the_unbroken_one(repeats):
    made = await generator(repeats=repeats)
    whole = await answer(made, request())
    assert [chunk.position for chunk in whole] == [0, *range(12)]
    assert (whole[0].token_ids, whole[0].text) == ((), "")
    for cut in range(14):
        ids = tuple(token_id for chunk in whole[:cut] for token_id in chunk.token_ids)
        rest = await answer(
            await generator(repeats=repeats),
            replace(
                request(), delivered_token_ids=ids, num_delivered_chars=len(text(whole[:cut])),
                attempt=1,
            ),
        )  # fmt: skip
        assert text(whole[:cut]) + text(rest) == text(whole)
        assert rest[-1].finish_reason == "length"
        assert {chunk.attempt for chunk in rest} == {1}
        assert rest[0].position == len(ids)


async def test_what_repeats_writes_the_words_of_the_last_turn_over_and_over():
    made = await generator(repeats=True, first_word="So")
    assert text(await answer(made, request(max_tokens=6))) == "So port is it? Which port "


async def test_only_a_sampled_answer_depends_on_its_seed():
    made = await generator()
    sampled = [text(await answer(made, request(seed=seed))) for seed in (1, 1, 2)]
    assert sampled[0] == sampled[1] != sampled[2]
    greedy = [text(await answer(made, request(temperature=0.0, seed=seed))) for seed in (1, 2)]
    assert greedy[0] == greedy[1]


async def test_a_stop_string_ends_the_answer_before_it_also_when_resumed_within_it():
    made = await generator()
    words = text(await answer(made, request())).split()
    stop = f"{words[3]} {words[4]}"
    whole = await answer(made, request(stop=(stop,)))
    assert text(whole) == " ".join(words[:3]) + " "
    assert whole[-1].finish_reason == "stop"
    ids = tuple(token_id for chunk in whole[:5] for token_id in chunk.token_ids)
    delivered = len(text(whole[:5]))
    asked = replace(request(stop=(stop,)), delivered_token_ids=ids, num_delivered_chars=delivered)
    rest = await answer(await generator(), asked)
    assert text(whole[:5]) + text(rest) == text(whole)
    assert rest[-1].finish_reason == "stop"


async def test_what_was_served_is_counted():
    made = await generator()
    await answer(made, request())
    await answer(made, replace(request(), delivered_token_ids=(1, 2)))
    served = await made.served()
    assert (served["num_requests"], served["num_resumed"], served["num_tokens"]) == (2, 1, 22)
    assert served["active"] == []
    assert await made.num_active_streams() == 0


async def test_another_version_writes_other_words_and_refuses_answers_that_it_has_not_begun():
    old, new = await generator(), await generator(version=1)
    chunks = [await answer(made, request()) for made in (old, new)]
    assert text(chunks[0]) != text(chunks[1])
    model = chunks[0][0].identity
    assert {chunk.identity for chunk in chunks[0]} == {model}
    assert model not in {chunk.identity for chunk in chunks[1]}
    await answer(old, replace(request(), identity=model))
    with pytest.raises(ModelChangedError):
        await answer(new, replace(request(), identity=model))


async def test_bad_input_is_refused():
    made = await generator(context_tokens=20)
    for bad, error in [
        (request(temperature=3.0), InvalidInputError),
        (replace(request(), constraint=Choices(texts=("Yes.",))), InvalidInputError),
    ]:
        with pytest.raises(error):
            await answer(made, bad)
    with pytest.raises(InvalidInputError, match="unknown key"):
        await made.reconfigure({"tokens_per_minute": 1})


async def test_max_tokens_is_an_upper_bound_within_the_context():
    made = await generator(context_tokens=20)
    assert len(await answer(made, request(max_tokens=5000))) == 1 + 20 - 4
    full = Message(role="user", content="word " * 20)
    with pytest.raises(ContextLengthError, match="20 tokens"):
        await answer(made, replace(request(), messages=(full,)))


async def test_its_profile_counts_the_words_of_a_text():
    made = await generator(context_tokens=99)
    profile = await made.profile()
    texts = ("", " one  two\n three.", "w1 " * 50)
    assert TokenCounter(profile).count(texts).tolist() == [0, 3, 50]
    assert (profile.context_tokens, profile.max_answer_tokens) == (99, 32)


async def test_texts_with_common_words_are_near():
    embedder = simulated.Embedder.func_or_class()
    vectors = (await embedder.embed(["the port is open", "the open port", "blue sky"])).vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]
    tokenizer = Tokenizer.from_str(await embedder.tokenizer_json())
    assert tokenizer.encode("the  port").offsets == [(0, 3), (5, 9)]


async def test_scores_are_shares_of_common_words_and_one_word_is_harmful():
    scores = (await simulated.Reranker.func_or_class().rerank("a b", ["b a", "a", "c"])).scores
    assert scores.tolist() == [1.0, 0.5, 0.0]
    verdicts = await simulated.SafetyFilter.func_or_class().classify(["fine", "Forbidden!"])
    assert [verdict.flagged for verdict in verdicts] == [False, True]


def test_the_yaml_fits_serve_and_the_settings():
    config = read_serve_config(SIMULATED)
    slots = config.blocks["Generator"].deployment.max_ongoing_requests
    assert slots == config.settings("Generator", SimulatedGeneratorConfig).max_concurrent_requests


def test_a_change_that_the_config_does_not_know_is_refused():
    changes = {"Generator": {"user_config": {"token_per_s": 3}}}
    with pytest.raises(ConfigError, match=r"Generator.user_config: unknown key 'token_per_s'; did"):
        changed_config(SIMULATED, port=1, changes=changes)
