"""How relevant the hits of a search are to the question, by the reranker where it answers.

hits -> rerank -> by passage ----------------------------> threshold
`-> focus: the best four, cut to
sentences, reranked again -> by sentence
no reranker: the hits keep the order of the search
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from graphs.config import RetrievalSettings
from graphs.errors import OverloadedError, StageUnavailableError
from graphs.findings import TEXT_CHARS, Scored
from graphs.pipeline.quoting.meaning import is_by_meaning
from graphs.pipeline.stages import RerankStage
from graphs.pipeline.trace import Trace
from graphs.settings import DeadlineSettings
from index.identifiers import fitness
from index.records import StoredPassage, titled_text
from index.searching.request import Hit
from index.sentences import split_sentences
from models.scores import logit, sigmoid

logger = logging.getLogger(__name__)

_FOCUSED_PASSAGES = 4  # whose sentences are scored
_NOTED = 24  # of one ranking, for who explains it
_SENTENCE_WEIGHT = 1.0  # against the passage's 1, which knows what "it" means; on logits

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ScoredHit:
    """A hit and its relevance.

    Attributes:
        score: of the reranker, 0..1; of the search where nothing was reranked.
        excerpt: the sentence that counts; empty: all of it.
        is_reranked: whose score it is.
    """

    hit: Hit
    score: float
    excerpt: str = ""
    is_reranked: bool = False

    @property
    def relevance(self) -> float:
        """The score that thresholds are compared with, 0..1: without reranker, the cosine."""
        if self.is_reranked:
            return self.score
        return min(max(self.hit.dense_score or 0.0, 0.0), 1.0)

    def passes(self, settings: RetrievalSettings) -> bool:
        """Says whether the relevance reaches its threshold."""
        threshold = settings.rerank_threshold if self.is_reranked else settings.dense_threshold
        return self.relevance >= threshold


def named_fitness(question: str, passages: Sequence[StoredPassage | Hit]) -> Scores:
    """Gives the share of each passage's relevance that is left where the question has identifiers.

    A reranker tells KX-4412 from KX-4413 no better than readers in haste do.

    Returns:
        float64, (n_passages,), 0..1; see `index.identifiers.fitness`.
    """
    named = [f"{one.filename}\n{titled_text(one)}" for one in passages]
    return np.asarray(fitness(question, named), dtype=np.float64)


class Relevance:
    """Scores hits against a question; without a reranker the search's own order stands."""

    def __init__(
        self, deadline: DeadlineSettings, reranker: RerankStage, judge: RerankStage
    ) -> None:
        self._deadline = deadline
        self._reranker = reranker
        self._judge = judge

    async def by_passage(
        self, question: str, hits: Sequence[Hit], settings: RetrievalSettings, trace: Trace
    ) -> list[ScoredHit]:
        """Gives the hits, best first.

        Those for a question whose meaning alone is compared keep the order of the search.
        """
        found = [ScoredHit(hit=hit, score=hit.score) for hit in hits]
        if is_by_meaning(question, settings):
            return found
        if not (found and settings.rerank and trace.allows("rerank", self._deadline.rerank_s)):
            return found
        scores = await self._rerank("rerank", question, found, trace)
        if scores is None:
            return found
        scores *= named_fitness(question, hits)
        order = np.argsort(-scores, kind="stable").tolist()
        ranked = [
            replace(found[index], score=float(scores[index]), is_reranked=True) for index in order
        ]
        _note("rerank", question, ranked, trace)
        return ranked

    async def by_sentence(
        self, question: str, ranked: Sequence[ScoredHit], trace: Trace
    ) -> list[ScoredHit]:
        """Cuts reranked hits to sentences, scored by their own relevance and by their passage's.

        Without a second answer of the reranker the passages stay whole, in their order.
        """
        cut = [
            replace(scored, excerpt=sentence)
            for scored in ranked[:_FOCUSED_PASSAGES]
            for sentence in split_sentences(scored.hit.text)
        ]
        own = await self._rerank("focus", question, cut, trace)
        if own is None:
            return list(ranked)
        whole = np.asarray([one.score for one in cut], dtype=np.float64)
        scores = sigmoid((logit(whole) + _SENTENCE_WEIGHT * logit(own)) / (1 + _SENTENCE_WEIGHT))
        order = np.argsort(-scores, kind="stable").tolist()
        best = [replace(cut[index], score=float(scores[index])) for index in order]
        _note("focus", question, best, trace)
        return best

    async def scores(self, question: str, documents: Sequence[str], trace: Trace) -> Scores | None:
        """Asks the reranker, float64, (n_documents,); None when it does not answer."""
        return await _scores("focus", self._reranker, question, documents, trace)

    async def judged(self, question: str, sentences: Sequence[str], trace: Trace) -> Scores | None:
        """Asks the judge whether each titled sentence answers, float64, (n_sentences,), 0..1.

        None when it does not answer.
        """
        return await _scores("judge", self._judge, question, sentences, trace)

    async def _rerank(
        self, stage: str, question: str, scored: Sequence[ScoredHit], trace: Trace
    ) -> Scores | None:
        documents = [
            titled_text(replace(one.hit, text=one.excerpt) if one.excerpt else one.hit)
            for one in scored
        ]
        return await _scores(stage, self._reranker, question, documents, trace)


def _note(stage: str, question: str, ranked: Sequence[ScoredHit], trace: Trace) -> None:
    scored = [
        Scored(chunk_id=one.hit.chunk_id, score=one.score, text=one.excerpt[:TEXT_CHARS])
        for one in ranked[:_NOTED]
    ]
    trace.findings.note_ranking(stage, question, scored)


async def _scores(
    stage: str, model: RerankStage, question: str, documents: Sequence[str], trace: Trace
) -> Scores | None:
    """Asks a cross-encoder, float64, (n_documents,); None when it does not answer."""
    try:
        with trace.stage(stage):
            scores = (await model.rerank(question, documents)).scores
    except (StageUnavailableError, OverloadedError) as err:
        logger.warning("%s left out, request %s: %s", stage, trace.request_id, err)
        trace.degrade("rerank")
        return None
    return scores.astype(np.float64)
