"""From questions to passages: expand, embed, search, rerank; one way for chats and for `/search`.

chat     -> condense -> find -> threshold -> pack -> Evidence
/search  -------------> find -> threshold -------> hits
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphs.caller import Caller
from graphs.config import GatewayConfig, RetrievalSettings
from graphs.pipeline.condensing import Condenser, FollowUpReranker, Question
from graphs.pipeline.events import ChatRequest, GivenDocument, Passage
from graphs.pipeline.expansion import Expansion, Query
from graphs.pipeline.given import ranked as ranked_documents
from graphs.pipeline.packing import Packer
from graphs.pipeline.prompt import Prompt, instructions_of
from graphs.pipeline.quoting.meaning import Meaning, search_mode
from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.question import parts_of
from graphs.pipeline.quoting.quoter import Quote, Quoter
from graphs.pipeline.quoting.spelling import corrected
from graphs.pipeline.quoting.words import content_stems
from graphs.pipeline.rankings import best, in_turn, merged, union
from graphs.pipeline.relevance import Relevance, ScoredHit
from graphs.pipeline.stages import Stages
from graphs.pipeline.trace import Trace
from graphs.pipeline.writing import Writer
from graphs.together import together
from index.searching.filters import Filter
from index.searching.request import Hit, SearchRequest

_REACH = 4  # passages before and after a hit, for what a quote needs of them
_MAX_SEARCHES = 4  # of one request at once, so that it does not fill the queues alone


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where is searched, and how.

    Attributes:
        caller: who searches; what it may not see does not take part.
        stores: names or ids of vector stores; None: all of them.
        filters: only files whose attributes pass take part.
        settings: of this request.
        documents: are searched in the place of the stores; empty: those are.
        rewrites: whether a search puts its queries in other words first (rag.py).
    """

    caller: Caller
    stores: tuple[str, ...] | None
    filters: Filter | None
    settings: RetrievalSettings
    documents: tuple[GivenDocument, ...] = ()
    rewrites: bool = False


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a chat is answered from.

    Attributes:
        prompt: with the question, which stands alone.
        search_query: what was searched for.
        passages: numbered from 1, best first; they fit the generator's context with the prompt.
        quote: the answer, where it is settled word for word.
    """

    prompt: Prompt
    search_query: str
    passages: tuple[Passage, ...]
    quote: str = ""


class Retrieval:
    """Finds passages."""

    def __init__(self, config: GatewayConfig, stages: Stages) -> None:
        writer = Writer(stages.generator)
        self._deadline = config.deadline
        self._history_tokens = config.history_tokens
        self._reads_chat = config.answers == "free"
        self._stages = stages
        self._condenser = Condenser(config.deadline, writer)
        self._expansion = Expansion(stages.embedder, writer)
        self._relevance = Relevance(config.deadline, stages.reranker, stages.judge)
        self._meaning = Meaning(config.deadline, stages.embedder)
        self._reach = 0 if self._reads_chat else _REACH

    async def evidence(self, request: ChatRequest, trace: Trace) -> Evidence:
        """Finds the passages that answer the last message of a chat.

        Raises:
            ContextLengthError: the question alone does not fit the generator's context.
            UnknownStoreError: a store is named that does not exist.
            StageUnavailableError: embedder or retriever do not answer.
        """
        scope = Scope(
            caller=request.caller, stores=request.stores, filters=request.filters,
            settings=request.retrieval, documents=request.documents,
        )  # fmt: skip
        with trace.stage("condense"):
            question = await self._condenser.condense(request, trace)
        # At once: a generator that is met for the first time may let us wait for its profile.
        async with together() as group:
            packing = group.create_task(self._packing(question.asked, request, trace))
            finding = group.create_task(self._answering(question, scope, trace))
        packer, prompt, room = packing.result()
        found, quote = finding.result()
        with trace.stage("pack"):
            passages = await packer.passages(found, room=room)
        trace.give([int(one.chunk_id) for one in passages], room)
        numbers = {int(one.chunk_id): one.number for one in passages}
        return Evidence(
            prompt=prompt,
            search_query=question.joined(question.asked),
            passages=passages,
            quote=quote.answer(numbers) if quote else "",
        )

    async def search(self, queries: Sequence[str], scope: Scope, trace: Trace) -> list[ScoredHit]:
        """Finds the best passages for any of the queries, best first, at most `top_k`.

        Raises: as `evidence` does, but for what the generator is asked.
        """
        embedded = await self._expansion.embedded(queries, trace)
        turn = asyncio.Semaphore(_MAX_SEARCHES)

        async def ranked(query: Query) -> list[ScoredHit]:
            async with turn:
                hits = await self._searched((query,), scope, trace)
                return await self._relevance.by_passage(query.text, hits, scope.settings, trace)

        async with together() as group:
            tasks = [group.create_task(ranked(query)) for query in embedded]
        return best([task.result() for task in tasks])[: scope.settings.top_k]

    async def _answering(
        self, question: Question, scope: Scope, trace: Trace
    ) -> tuple[list[ScoredHit], Quote | None]:
        """Finds what the generator reads, best first, and what is quoted of it.

        What seemed to lean on the chat, and finds nothing with it, may have stood alone.
        """
        found, quote = await self._found(question, scope, trace)
        if found or not (question.context and content_stems(question.asked)):
            return found, quote
        return await self._found(Question(asked=question.asked), scope, trace)

    async def _found(
        self, question: Question, scope: Scope, trace: Trace
    ) -> tuple[list[ScoredHit], Quote | None]:
        settings = scope.settings
        relevance = self._relevance
        trace.findings.threshold = settings.rerank_threshold
        if question.context:
            reranker = FollowUpReranker(self._stages.reranker, question)
            judge = FollowUpReranker(self._stages.judge, question)
            relevance = Relevance(self._deadline, reranker, judge)
        if self._reads_chat or settings.focus == "passage" or not settings.rerank:
            ranked = await self._relevant(question, relevance, scope, trace)
            return ranked[: self._top_k(settings, trace)], None
        asked = await self._asked(question, scope, trace)
        meant = await self._meant(question, asked)
        if meant != question:
            asked = await self._asked(meant, scope, trace)
        chosen = settings.overridden({"top_k": self._top_k(settings, trace)})
        quoter = Quoter(relevance, self._meaning)
        quote = await quoter.quote(asked, chosen, trace, said=question.said)
        if quote is not None:
            return quote.passages(), quote
        # Without reranker the small generator reads one passage: of several it chooses worse.
        hits = [ScoredHit(hit=hit, score=hit.score) for hit in asked[0][1]]
        return [one for one in hits if one.passes(settings)][:1], None

    async def _asked(
        self, question: Question, scope: Scope, trace: Trace
    ) -> list[tuple[Part, Sequence[Hit]]]:
        """Searches for each part of a question, and for all of it where it has several."""
        parts = [
            replace(one, context=one.context or question.before) for one in parts_of(question.asked)
        ]
        if len(parts) == 1:
            queries = await self._queries(question, scope, trace)
            return [(parts[0], await self._searched(queries, scope, trace))]
        texts = [question.joined(text) for text in (question.asked, *(one.text for one in parts))]
        queries = await self._expansion.embedded(texts, trace)
        async with together() as group:
            tasks = [group.create_task(self._searched((query,), scope, trace)) for query in queries]
        whole, *each = [task.result() for task in tasks]
        limit = scope.settings.num_candidates
        return [
            (part, union(own[: max(1, limit // 2)], whole[: limit // 3]))
            for part, own in zip(parts, each, strict=True)
        ]

    async def _meant(
        self, question: Question, asked: Sequence[tuple[Part, Sequence[Hit]]]
    ) -> Question:
        """Gives the question without what is misspelt in it, by what was found for it."""
        hits = [hit for _, found in asked for hit in found]
        return replace(question, asked=await asyncio.to_thread(corrected, question.asked, hits))

    async def _relevant(
        self, question: Question, relevance: Relevance, scope: Scope, trace: Trace
    ) -> list[ScoredHit]:
        """Finds what reaches its threshold, best first; what is best for each part in turn."""
        if scope.settings.expand == "off" and len(parts_of(question.asked)) > 1:
            asked = [(part.text, hits) for part, hits in await self._asked(question, scope, trace)]
        else:
            queries = await self._queries(question, scope, trace)
            asked = [(question.asked, await self._searched(queries, scope, trace))]
        async with together() as group:
            tasks = [
                group.create_task(self._passing(text, hits, relevance, scope, trace))
                for text, hits in asked
            ]
        return in_turn([task.result() for task in tasks])

    async def _passing(
        self, asked: str, hits: Sequence[Hit], relevance: Relevance, scope: Scope, trace: Trace
    ) -> list[ScoredHit]:
        settings = scope.settings
        ranked = await relevance.by_passage(asked, hits, settings, trace)
        if settings.focus == "sentence" and ranked and ranked[0].is_reranked:
            ranked = await relevance.by_sentence(asked, ranked, trace)
        return [one for one in ranked if one.passes(settings)]

    async def _queries(self, question: Question, scope: Scope, trace: Trace) -> tuple[Query, ...]:
        expand = scope.settings.expand
        if expand != "off" and not trace.allows("expand", self._deadline.condense_s):
            expand = "off"
        if question.context and expand == "off":
            texts = [question.asked, question.joined(question.asked)]
            return await self._expansion.embedded(texts, trace)
        return await self._expansion.queries(
            question.joined(question.asked), expand, trace,
            timeout_s=scope.settings.expand_timeout_s,
        )  # fmt: skip

    async def _searched(
        self, queries: Sequence[Query], scope: Scope, trace: Trace
    ) -> tuple[Hit, ...]:
        """Searches for every query and fuses what they find."""
        most = scope.settings.num_candidates
        with trace.stage("retrieve"):
            if scope.documents:
                given = (scope.documents, queries, self._stages.embedder)
                found = await ranked_documents(*given, limit=most, reach=self._reach)
            else:
                requests = [_request(query, scope, self._reach) for query in queries]
                search = self._stages.retriever.search
                async with together() as group:
                    tasks = [group.create_task(search(request)) for request in requests]
                found = merged([task.result() for task in tasks], most)
        trace.findings.note_search([query.text for query in queries], found)
        return found

    async def _packing(
        self, question: str, request: ChatRequest, trace: Trace
    ) -> tuple[Packer, Prompt, int]:
        """Gives what packs, the prompt without passages, and the tokens that are left for these."""
        tokens = await self._stages.generator.tokens()
        packer = Packer(tokens, max_tokens=request.sampling.max_tokens)
        if self._reads_chat:
            limit = self._history_tokens
            return packer, *await packer.chat(question, request, trace, history_tokens=limit)
        if instructions_of(request.messages):
            trace.degrade("instructions")
        prompt = Prompt(question=question)
        return packer, prompt, await packer.room(prompt)

    def _top_k(self, settings: RetrievalSettings, trace: Trace) -> int:
        if settings.top_k > 1 and not trace.allows("passages", self._deadline.passages_s):
            return 1
        return settings.top_k


def _request(query: Query, scope: Scope, reach: int) -> SearchRequest:
    settings = scope.settings
    return SearchRequest(
        stores=scope.stores,
        text=query.text,
        vector=query.vector,
        fingerprint=query.fingerprint,
        others=query.others,
        top_k=settings.num_candidates,
        mode=search_mode(query.text, settings),
        lexical_weight=settings.lexical_weight,
        fusion=settings.fusion,
        diversity=settings.diversity,
        max_similarity=settings.max_similarity,
        neighbours=max(settings.neighbours, reach),
        filters=scope.filters,
        viewer=scope.caller.viewer,
    )
