"""From a chat to numbered passages: condense, embed, search, rerank, pack."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphs.config import RetrievalSettings
from graphs.errors import OverloadedError, StageUnavailableError
from graphs.events import ChatRequest, Passage
from graphs.prompt import answer_messages, condense_messages, passage_block
from graphs.stages import Progress, Stages
from index.filters import parse_filter
from index.records import titled_text
from index.search import Hit, SearchRequest
from models.errors import ContextLengthError
from models.generation import GenerationRequest, Sampling

logger = logging.getLogger(__name__)

# Room for the tokens that a chat template adds around two turns.
_TEMPLATE_TOKENS = 32
_MAX_CONDENSED_TOKENS = 96


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

    def __init__(self, settings: RetrievalSettings, stages: Stages) -> None:
        self._settings = settings
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
            passages = await self._pack(request, scored, budget_tokens)
        return Found(question=question, search_query=search_query, passages=passages)

    async def _condense(self, request: ChatRequest, progress: Progress) -> tuple[str, str]:
        """Gives the question for the generator and the one for the search."""
        questions = [m.content for m in request.messages if m.role == "user"]
        last = questions[-1]
        if self._settings.condense == "off" or len(questions) == 1:
            return last, last
        if self._settings.condense == "generate":
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
        frame = [message.content for message in answer_messages(question, [])]
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
        filters = request.retrieval.filters
        with progress.stage("embed"):
            embeddings = await self._stages.embedder.embed([query], kind="query")
        search = SearchRequest(
            store_ids=request.store_ids,
            text=query,
            vector=embeddings.vectors[0],
            fingerprint=embeddings.fingerprint,
            top_k=self._settings.num_candidates,
            mode=request.retrieval.mode or self._settings.mode,
            lexical_weight=self._settings.lexical_weight,
            filters=parse_filter(filters) if filters else None,
        )
        with progress.stage("retrieve"):
            return await self._stages.retriever.search(search)

    async def _relevant(
        self, request: ChatRequest, query: str, hits: Sequence[Hit], progress: Progress
    ) -> list[tuple[Hit, float]]:
        """Gives the hits above the threshold with their relevance, best first."""
        wanted = request.retrieval.rerank
        if hits and (self._settings.rerank if wanted is None else wanted):
            try:
                with progress.stage("rerank"):
                    documents = [titled_text(hit) for hit in hits]
                    scores = (await self._stages.reranker.rerank(query, documents)).scores
            except (StageUnavailableError, OverloadedError) as err:
                logger.warning("rerank left out, request %s: %s", request.request_id, err)
                progress.degrade("rerank")
            else:
                order = np.argsort(-scores, kind="stable").tolist()
                ranked = [(hits[index], float(scores[index])) for index in order]
                return _above(ranked, request, self._settings.rerank_threshold)
        cosines = [(hit, min(max(hit.dense_score or 0.0, 0.0), 1.0)) for hit in hits]
        return _above(cosines, request, self._settings.dense_threshold)

    async def _pack(
        self, request: ChatRequest, scored: Sequence[tuple[Hit, float]], budget_tokens: int
    ) -> tuple[Passage, ...]:
        """Takes the best passages that fit, numbered in their order."""
        best = list(scored[: request.retrieval.top_k or self._settings.top_k])
        if not best:
            return ()
        blocks = [passage_block(number, hit) for number, (hit, _) in enumerate(best, start=1)]
        counts = (await self._stages.generator.count_tokens(blocks)).counts
        fits = np.cumsum(counts) <= budget_tokens
        return tuple(
            _passage(number, hit, score)
            for number, ((hit, score), fit) in enumerate(zip(best, fits, strict=True), start=1)
            if fit
        )


def _above(
    scored: Sequence[tuple[Hit, float]], request: ChatRequest, default: float
) -> list[tuple[Hit, float]]:
    wanted = request.retrieval.score_threshold
    threshold = default if wanted is None else wanted
    return [(hit, score) for hit, score in scored if score >= threshold]


def _passage(number: int, hit: Hit, score: float) -> Passage:
    return Passage(
        number=number,
        chunk_id=str(hit.chunk_id),
        file_id=hit.file_id,
        filename=hit.filename,
        title=hit.title,
        text=hit.text,
        char_start=hit.char_start,
        char_end=hit.char_end,
        score=score,
        attributes=hit.attributes,
    )
