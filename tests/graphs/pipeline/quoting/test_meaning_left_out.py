"""What becomes of an answer whose sentences cannot be compared by meaning, and which are."""

from dataclasses import replace

import numpy as np
import pytest

from graphs.config import RetrievalSettings
from graphs.deadline import deadline_in
from graphs.errors import OverloadedError, ReplicaLostError
from graphs.pipeline.quoting.meaning import Meaning, is_abroad, search_mode
from graphs.pipeline.quoting.question import parts_of
from graphs.pipeline.quoting.quoter import Quoter
from graphs.pipeline.relevance import Relevance
from graphs.pipeline.trace import Trace
from graphs.settings import DeadlineSettings
from models.reranker import RerankScores
from tests.graphs.fake_services import FakeEmbedder
from tests.graphs.fake_stages import FakeStages, hit

GERMAN = "Wie viel kostet das Zimmer?"
SETTINGS = RetrievalSettings(focus="sentence", foreign_cosine=-1.0)
PRICE = "Das Zimmer kostet 80 Euro."


class Doubtful(FakeStages):
    """Has a judge that takes nothing."""

    async def rerank(self, query, documents):
        return RerankScores(scores=np.full(len(documents), 0.01, np.float32), num_tokens=1)


class TwoReplicas(FakeEmbedder):
    """Documents are embedded by another model than questions."""

    async def embed(self, texts, *, kind="document", dimensions=None):
        made = await super().embed(texts, kind=kind, dimensions=dimensions)
        return replace(made, fingerprint=f"{made.fingerprint}-{kind}")


def passage(number, text, **changes):
    return replace(hit(number), text=text, char_end=len(text), **changes)


async def quoted(question, embedder, *hits):
    trace, deadline, judge = Trace("request"), DeadlineSettings(), Doubtful()
    quoter = Quoter(Relevance(deadline, judge, judge), Meaning(deadline, embedder))
    (part,) = parts_of(question)
    return await quoter.quote([(part, hits)], SETTINGS, trace), trace


def failing(error):
    embedder = FakeEmbedder()
    embedder.error = error
    return embedder


@pytest.mark.parametrize("question", [GERMAN, "How much does the room cost?"])
@pytest.mark.parametrize(
    "embedder",
    [failing(OverloadedError("full")), failing(ReplicaLostError("lost")), TwoReplicas()],
)
async def test_without_vectors_to_compare_nothing_answers_and_the_trace_tells(question, embedder):
    quote, trace = await quoted(question, embedder, passage(1, PRICE))
    assert quote is not None
    assert not quote.statements
    assert trace.degraded == ("meaning",)


async def test_without_vectors_an_english_question_keeps_what_the_judge_saw():
    room = "The room costs 80 pounds."
    hits = (passage(1, room), passage(2, PRICE))
    _, trace = await quoted("How much does the room cost?", failing(OverloadedError("full")), *hits)
    (part,) = trace.findings.parts
    assert [one.text for one in part.units] == [room]


async def test_with_little_time_left_no_embedder_is_asked():
    embedder = FakeEmbedder()
    with deadline_in(DeadlineSettings().rerank_s - 1):
        quote, trace = await quoted(GERMAN, embedder, passage(1, PRICE))
    assert quote is not None
    assert not quote.statements
    assert "meaning" in trace.degraded
    assert not embedder.calls


async def test_those_that_may_answer_are_compared_first_with_others_beside_them():
    english = [passage(n, "One. " * 9 + f"It is {n}.") for n in range(1, 9)]
    german = passage(9, PRICE)
    embedder = FakeEmbedder()
    (part,) = parts_of("How much does the room cost?")
    hits = [*english, german]
    meaning = Meaning(DeadlineSettings(), embedder)
    found = await meaning.candidates(part, hits, -1.0, Trace("request"), of=[german])
    assert [one.unit.text for one in found] == [PRICE]
    assert len(embedder.calls[-1][0]) == 24


def test_a_passage_is_judged_by_itself_before_its_neighbours():
    near = tuple(passage(n, "Das Zimmer ist bis zwölf zu räumen. " * 40) for n in (2, 3))
    assert not is_abroad(passage(1, "The room is to be left by noon.", around=near))
    english = tuple(passage(n, "The room is to be left by noon. " * 40) for n in (2, 3))
    assert is_abroad(passage(1, "Das Zimmer ist bis zwölf zu räumen.", around=english))


def test_a_mute_passage_is_judged_by_all_of_its_neighbours():
    first, *more = (passage(n, "Das Zimmer ist zu räumen.") for n in range(2, 5))
    near = (replace(first, text="The room is to be left by noon. " * 40), *more)
    assert is_abroad(passage(1, "Riesling: 9,80", around=near))


def test_a_mode_that_was_asked_for_stays():
    assert search_mode(GERMAN, SETTINGS.overridden({"mode": "lexical"})) == "lexical"
    assert search_mode(GERMAN, SETTINGS) == "dense"


async def test_a_foreign_question_with_an_identifier_is_ranked_as_ever():
    sure = FakeStages(scores=(0.9, 0.9))
    relevance = Relevance(DeadlineSettings(), sure, sure)
    hits = [passage(1, "KX-4413 is a seal."), passage(2, "KX-4412 is a pump.", dense_score=None)]
    question = "Was ist das Teil KX-4412?"
    found = await relevance.by_passage(question, hits, SETTINGS, Trace("request"))
    assert [one.hit.chunk_id for one in found if one.passes(SETTINGS)] == [2]
