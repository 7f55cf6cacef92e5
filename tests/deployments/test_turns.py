"""The Reranker and the SafetyFilter without Ray: real models in turn, alone and together alike."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from deployments import model_loading
from deployments.reranker import Reranker
from deployments.safety_filter import SafetyFilter
from deployments.scaling import ENCODER_SIGNALS
from models.errors import InvalidInputError
from models.reranker import Reranker as RerankerModel
from models.reranker import RerankerConfig
from models.safety import SafetyClassifier, SafetyConfig

CACHE = Path(__file__).parents[2] / ".ragfleet" / "models"
HARM = "I will kill you and your whole family"


@pytest.fixture(autouse=True)
def _cache(monkeypatch):
    monkeypatch.setattr(model_loading, "models_folder", lambda: CACHE)


async def served(deployment, **block):
    made = deployment.func_or_class()
    await made.reconfigure({"engine": "onnx", "max_batch_tokens": 64, **block})
    return made


async def test_calls_in_turn_are_scored_as_if_each_were_alone():
    reranker = await served(Reranker, model="bundled:reranker", max_tokens=64)
    config = RerankerConfig(model="bundled:reranker", engine="onnx", max_tokens=64)
    alone = RerankerModel(config, cache=CACHE)
    calls = [
        ("How long is parking free?", [f"Parking is free for {n} hours." * n for n in range(1, 9)]),
        ("Where is the hall?", ["It is in Mill Lane.", "x" * 100_000]),
    ]
    found = await asyncio.gather(*(reranker.rerank(*call) for call in calls))
    for call, scores in zip(calls, found, strict=True):
        expected = alone.rerank(*call)
        assert scores.scores == pytest.approx(expected.scores, abs=1e-5)
        assert scores.scores.dtype == np.float32
        assert scores.num_tokens == expected.num_tokens


async def test_verdicts_in_turn_are_those_of_the_classifier():
    safety = await served(SafetyFilter, model="bundled:safety")
    alone = SafetyClassifier(SafetyConfig(model="bundled:safety", engine="onnx"), cache=CACHE)
    prose = "The hall opens at seven. A ticket is nine euros. " * 30
    calls = [[HARM, "Hello there, pump."], ["..."], [prose, prose + HARM + ". " + prose], [""]]
    found = await asyncio.gather(*(safety.classify(call) for call in calls))
    for call, verdicts in zip(calls, found, strict=True):
        for ours, theirs in zip(verdicts, alone.classify(call), strict=True):
            assert dict(ours.scores) == pytest.approx(dict(theirs.scores), abs=1e-4)
    assert [[one.flagged for one in some] for some in found] == [
        [True, False], [False], [False, True], [False],
    ]  # fmt: skip


async def test_a_check_of_health_comes_before_what_waits():
    safety = await served(SafetyFilter, model="bundled:safety")
    long = asyncio.create_task(safety.classify([" ".join(f"word{n}" for n in range(3000))]))
    await asyncio.sleep(0)
    await safety.check_health()
    assert not long.done()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long


async def test_the_work_that_waits_is_told_to_serve_s_autoscaling():
    unloaded = SafetyFilter.func_or_class()
    assert await unloaded.record_autoscaling_stats() == {"queued_s": 0, "busy": 0}
    for deployment, model, ask in (
        (SafetyFilter, "bundled:safety", lambda made, text: made.classify([text] * 40)),
        (Reranker, "bundled:reranker", lambda made, text: made.rerank("Which?", [text] * 40)),
    ):
        made = await served(deployment, model=model)
        await ask(made, "warm")  # tells the pace
        calls = [asyncio.create_task(ask(made, " ".join("abcdefgh"))) for _ in range(3)]
        await asyncio.sleep(0)
        told = await made.record_autoscaling_stats()
        assert set(told) == set(ENCODER_SIGNALS)
        assert told["queued_s"] > 0
        await asyncio.gather(*calls)
        told = await made.record_autoscaling_stats()
        assert told["queued_s"] == 0
        assert 0 < told["busy"] <= 1


async def test_what_is_empty_is_refused_at_once():
    reranker = await served(Reranker, model="bundled:reranker")
    safety = await served(SafetyFilter, model="bundled:safety")
    for query, documents in ((" ", ["a"]), ("a", [])):
        with pytest.raises(InvalidInputError, match="query and documents must not be empty"):
            await reranker.rerank(query, documents)
    with pytest.raises(InvalidInputError, match="texts must not be empty"):
        await safety.classify([])


async def test_sentences_are_judged_by_the_judge_where_there_is_one():
    block = {"model": "bundled:reranker", "max_tokens": 64}
    judge = {"model": "bundled:judge", "engine": "onnx", "max_tokens": 64}
    question, sentences = (
        "What does parking cost?",
        ["Mill\nParking is free.", "Mill\nIt opens at 9."],
    )
    expected = {
        name: RerankerModel(
            RerankerConfig(model=f"bundled:{name}", engine="onnx", max_tokens=64), cache=CACHE
        ).rerank(question, sentences).scores
        for name in ("reranker", "judge")
    }  # fmt: skip
    both, one = await served(Reranker, **block, judge=judge), await served(Reranker, **block)
    for reranker, name in ((both, "judge"), (one, "reranker")):
        judged = await reranker.judge(question, sentences)
        assert judged.scores == pytest.approx(expected[name], abs=1e-4)
        ranked = await reranker.rerank(question, sentences)
        assert ranked.scores == pytest.approx(expected["reranker"], abs=1e-4)
        await reranker.check_health()
