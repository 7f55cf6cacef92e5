"""From a chat to numbered passages: condense, expand, embed, search, rerank, pack."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from graphs.config import DeadlineSettings, RetrievalSettings
from graphs.deadline import time_left_s
from graphs.errors import OverloadedError, StageUnavailableError
from graphs.pipeline.events import ChatRequest, Passage
from graphs.pipeline.expansion import Expansion, Query
from graphs.pipeline.prompt import answer_messages, condense_messages, passage_block
from graphs.pipeline.stages import Progress, Stages
from index.chunk import split_sentences
from index.records import titled_text
from index.searching.filters import parse_filter
from index.searching.fusion import fuse
from index.searching.request import Hit, SearchRequest
from models.errors import ContextLengthError
from models.generation import GenerationRequest, Sampling

logger = logging.getLogger(__name__)

# Room for the tokens that a chat template adds around two turns.
_TEMPLATE_TOKENS = 32
_MAX_CONDENSED_TOKENS = 96
_FOCUSED_PASSAGES = 4  # whose sentences are scored
_SENTENCE_WEIGHT = 1.0  # against the passage's 1, which knows what "it" means; on logits

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the search gave.

    Attributes:
        question: the question that the generator is asked; stands alone.
        search_query: what was searched for.
        passages: numbered from 1, best first; they fit the generator's context.
    """

    question: str
    search_query: str
    passages: tuple[Passage, ...]


class Retrieval:
    """Finds the passages for a question."""

    def __init__(
        self, settings: RetrievalSettings, deadline: DeadlineSettings, stages: Stages
    ) -> None:
        self._settings = settings
        self._deadline = deadline
        self._expansion = Expansion(stages, timeout_s=settings.expand_timeout_s)
        self._stages = stages

    async def find(self, request: ChatRequest, progress: Progress) -> Found:
        """Finds the passages that answer the last message of the chat.

        Raises:
            ContextLengthError: the question alone does not fit the generator's context.
            StageUnavailableError: embedder or retriever do not answer.
        """
        with progress.stage("condense"):
            question, search_query = await self._condense(request, progress)
        budget_tokens = await self._budget_tokens(request, question)
        hits = await self._search(request, search_query, progress)
        scored = await self._relevant(request, search_query, hits, progress)
        with progress.stage("pack"):
            passages = await self._pack(self._top_k(request, progress), scored, budget_tokens)
        return Found(question=question, search_query=search_query, passages=passages)

    async def _condense(self, request: ChatRequest, progress: Progress) -> tuple[str, str]:
        """Gives the question for the generator and the one for the search."""
        questions = [m.text for m in request.messages if m.role == "user"]
        last = questions[-1]
        if self._settings.condense == "off" or len(questions) == 1:
            return last, last
        if self._settings.condense == "generate" and _in_time(
            self._deadline.condense_s, "condense", progress
        ):
            try:
                rewritten = await self._rewrite(request)
            except (StageUnavailableError, OverloadedError):
                progress.degrade("condense")
            else:
                if rewritten:
                    return rewritten, rewritten
        return last, f"{questions[-2]} {last}"

    async def _rewrite(self, request: ChatRequest) -> str:
        rewrite = GenerationRequest(
            request_id=request.request_id,
            messages=condense_messages(request.messages),
            sampling=Sampling(max_tokens=_MAX_CONDENSED_TOKENS, temperature=0.0),
        )
        texts = [chunk.text async for chunk in self._stages.generator.stream(rewrite)]
        return "".join(texts).strip()

    async def _budget_tokens(self, request: ChatRequest, question: str) -> int:
        """Counts the tokens that the passages may take together."""
        frame = [message.text for message in answer_messages(question, [])]
        counted = await self._stages.generator.count_tokens(frame)
        num_frame_tokens = int(counted.counts.sum()) + _TEMPLATE_TOKENS
        num_answer_tokens = request.sampling.max_tokens or counted.max_answer_tokens
        left = counted.context_tokens - num_frame_tokens - num_answer_tokens
        if left < 0:
            msg = (
                f"the context holds {counted.context_tokens} tokens, but the question has "
                f"{num_frame_tokens} with its prompt and the answer needs {num_answer_tokens}"
            )
            raise ContextLengthError(msg)
        return left

    async def _search(
        self, request: ChatRequest, query: str, progress: Progress
    ) -> tuple[Hit, ...]:
        if not request.store_ids:
            return ()
        expand = request.retrieval.expand or self._settings.expand
        if expand != "off" and not _in_time(self._deadline.condense_s, "expand", progress):
            expand = "off"
        queries = await self._expansion.queries(query, expand, request.request_id, progress)
        search = self._stages.retriever.search
        with progress.stage("retrieve"):
            found = await asyncio.gather(
                *(search(self._search_request(request, one)) for one in queries)
            )
        return _merged(found, self._settings.num_candidates)

    def _search_request(self, request: ChatRequest, query: Query) -> SearchRequest:
        assert request.store_ids
        settings, wanted = self._settings, request.retrieval
        return SearchRequest(
            store_ids=request.store_ids,
            text=query.text,
            vector=query.vector,
            fingerprint=query.fingerprint,
            others=query.others,
            top_k=settings.num_candidates,
            mode=wanted.mode or settings.mode,
            lexical_weight=settings.lexical_weight,
            fusion=settings.fusion,
            diversity=settings.diversity if wanted.diversity is None else wanted.diversity,
            max_similarity=settings.max_similarity,
            neighbours=settings.neighbours if wanted.neighbours is None else wanted.neighbours,
            filters=parse_filter(wanted.filters) if wanted.filters else None,
        )

    async def _relevant(
        self, request: ChatRequest, query: str, hits: Sequence[Hit], progress: Progress
    ) -> list["_Scored"]:
        """Gives the hits above the threshold with their relevance, best first."""
        wanted = request.retrieval.rerank
        reranks = hits and (self._settings.rerank if wanted is None else wanted)
        if reranks and _in_time(self._deadline.rerank_s, "rerank", progress):
            try:
                with progress.stage("rerank"):
                    documents = [titled_text(hit) for hit in hits]
                    scores = (await self._stages.reranker.rerank(query, documents)).scores
            except (StageUnavailableError, OverloadedError) as err:
                logger.warning("rerank left out, request %s: %s", request.request_id, err)
                progress.degrade("rerank")
            else:
                order = np.argsort(-scores, kind="stable").tolist()
                ranked = [_Scored(hit=hits[i], score=float(scores[i])) for i in order]
                if self._settings.focus == "sentence":
                    ranked = await self._focus(query, ranked[:_FOCUSED_PASSAGES], progress)
                return _above(ranked, request, self._settings.rerank_threshold)
        cosines = [
            _Scored(hit=hit, score=min(max(hit.dense_score or 0.0, 0.0), 1.0)) for hit in hits
        ]
        return _above(cosines, request, self._settings.dense_threshold)

    async def _focus(
        self, query: str, ranked: Sequence["_Scored"], progress: Progress
    ) -> list["_Scored"]:
        """Cuts passages to sentences, scored by their own relevance and by their passage's."""
        cut = [
            replace(scored, excerpt=sentence)
            for scored in ranked
            for sentence in split_sentences(scored.hit.text)
        ]
        with progress.stage("focus"):
            documents = [titled_text(replace(one.hit, text=one.excerpt)) for one in cut]
            own = (await self._stages.reranker.rerank(query, documents)).scores.astype(np.float64)
        whole = np.asarray([one.score for one in cut], dtype=np.float64)
        scores = _sigmoid((_logit(whole) + _SENTENCE_WEIGHT * _logit(own)) / (1 + _SENTENCE_WEIGHT))
        order = np.argsort(-scores, kind="stable").tolist()
        return [replace(cut[index], score=float(scores[index])) for index in order]

    def _top_k(self, request: ChatRequest, progress: Progress) -> int:
        wanted = request.retrieval.top_k or self._settings.top_k
        if wanted > 1 and not _in_time(self._deadline.passages_s, "passages", progress):
            return 1
        return wanted

    async def _pack(
        self, top_k: int, scored: Sequence["_Scored"], budget_tokens: int
    ) -> tuple[Passage, ...]:
        """Takes the best passages that fit, numbered in their order."""
        best = scored[:top_k]
        if not best:
            return ()
        passages = [_passage(number, one) for number, one in enumerate(best, start=1)]
        blocks = [passage_block(passage.number, passage) for passage in passages]
        counts = (await self._stages.generator.count_tokens(blocks)).counts
        fits = np.cumsum(counts) <= budget_tokens
        return tuple(passage for passage, fit in zip(passages, fits, strict=True) if fit)


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """A hit, its relevance in 0..1, and the sentence of it that counts; none: all of it."""

    hit: Hit
    score: float
    excerpt: str = ""


def _merged(found: Sequence[tuple[Hit, ...]], limit: int) -> tuple[Hit, ...]:
    """Fuses the rankings of several searches by rank; one ranking stays as it is."""
    if len(found) == 1:
        return found[0]
    hits = {hit.chunk_id: hit for ranking in reversed(found) for hit in ranking}
    scores = fuse([[hit.chunk_id for hit in ranking] for ranking in found], [1.0] * len(found))
    best = list(scores.items())[:limit]
    return tuple(replace(hits[chunk_id], score=score) for chunk_id, score in best)


def _in_time(needed_s: float, stage: str, progress: Progress) -> bool:
    """Says whether the request has time for a stage, and notes it when it has not."""
    if time_left_s() >= needed_s:
        return True
    progress.degrade(stage)
    return False


def _logit(scores: Scores) -> Scores:
    clipped = np.clip(scores, 1e-6, 1 - 1e-6)
    logits: Scores = np.log(clipped / (1 - clipped))
    return logits


def _sigmoid(logits: Scores) -> Scores:
    scores: Scores = 1 / (1 + np.exp(-logits))
    return scores


def _above(scored: Sequence[_Scored], request: ChatRequest, default: float) -> list[_Scored]:
    wanted = request.retrieval.score_threshold
    threshold = default if wanted is None else wanted
    return [one for one in scored if one.score >= threshold]


def _passage(number: int, scored: _Scored) -> Passage:
    hit = scored.hit
    return Passage(
        number=number,
        chunk_id=str(hit.chunk_id),
        file_id=hit.file_id,
        filename=hit.filename,
        title=hit.title,
        text=hit.text,
        excerpt=scored.excerpt or hit.context or hit.text,
        char_start=hit.char_start,
        char_end=hit.char_end,
        score=scored.score,
        attributes=hit.attributes,
    )
