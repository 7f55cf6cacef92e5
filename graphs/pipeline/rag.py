"""The RAG pipeline: plain async code inside the Gateway, one handle hop a model.

refuse what does not fit
check question    at once with    condense -> embed -> search -> rerank -> pack
generate          checked segment by segment while it decodes
"""

import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Protocol

from graphs.config import GatewayConfig
from graphs.pipeline.answering import Answering
from graphs.pipeline.checking import Checking
from graphs.pipeline.choices import alike, written
from graphs.pipeline.condensing import Rewriter
from graphs.pipeline.events import (
    ChatRequest,
    Event,
    Finished,
    FinishReason,
    Retrieved,
    TextDelta,
    Usage,
)
from graphs.pipeline.prompt import NO_ANSWER, QUOTES_ONLY, alternating, chat_id, quotable_answers
from graphs.pipeline.relevance import ScoredHit
from graphs.pipeline.retrieval import Evidence, Retrieval, Scope
from graphs.pipeline.small_talk import small_talk
from graphs.pipeline.stages import Stages
from graphs.pipeline.trace import Trace, log_trace
from graphs.pipeline.writing import Writer
from graphs.together import together
from index.catalog.keys.records import ServiceClass
from index.searching.request import Hit
from models.constraints import Choices
from models.generation import GenerationRequest

_RANKS: Mapping[ServiceClass, int] = {"priority": -1, "default": 0, "flex": 1}
_NOT_CALLED = Usage(num_prompt_tokens=0, num_completion_tokens=0)


class TextNotes(Protocol):
    """Notes texts of requests where that is asked for: `graphs.observing.span_texts`."""

    def of_chat(
        self, events: AsyncGenerator[Event, None], request: ChatRequest, trace: Trace
    ) -> AsyncGenerator[Event, None]:
        """Gives the same events."""
        ...

    def of_search(self, queries: Sequence[str], found: Sequence[ScoredHit], trace: Trace) -> None:
        """Takes what a search without an answer found."""
        ...


class RagPipeline:
    """Answers chats from passages, or from the bare generator; finds passages without an answer.

    Args:
        config: the settings.
        stages: what it calls.
        observe: is given the trace of every chat and search when it ends, however it ends.
        moved: is told of an answer that goes on at another replica; see `Answering`.
        texts: is given what was asked, found and answered; None: nobody is.
    """

    def __init__(
        self,
        config: GatewayConfig,
        stages: Stages,
        observe: Callable[[Trace], None] = log_trace,
        moved: Callable[[Trace, str, int], None] = lambda *_: None,
        texts: TextNotes | None = None,
    ) -> None:
        self._safety = config.safety
        self._quote = config.answers == "quote"
        self._stages = stages
        self._observe = observe
        self._texts = texts
        self._checking = Checking(config, stages)
        self._retrieval = Retrieval(config, stages)
        self._answering = Answering(config.safety, stages, moved)
        self._rewriter = Rewriter(config.deadline, Writer(stages.generator))

    async def answer(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answers a chat: `Retrieved` first, `Finished` last.

        Closing the generator stops all that runs for it.

        Raises:
            ContextLengthError: question and answer do not fit the generator's context.
            UnknownStoreError: a store is named that does not exist.
            SafetyUnavailableError: the safety filter does not answer.
            StageUnavailableError: a deployment that the answer needs does not answer.
            OverloadedError: a queue is full.
        """
        trace = Trace(
            request.request_id, "chat", request.caller,
            once=request.once, in_batch=request.in_batch,
        )  # fmt: skip
        trace.adapter = request.adapter
        fixed = self._fixed_reply(request)
        try:
            with trace:
                told = self._events(request, trace)
                if fixed is not None:
                    told = self._told(fixed, trace, request.num_choices)
                if self._texts is not None:
                    told = self._texts.of_chat(told, request, trace)
                async with aclosing(told) as events:
                    async for event in events:
                        yield event
        finally:
            self._observe(trace)

    async def search(self, queries: Sequence[str], scope: Scope, trace: Trace) -> list[ScoredHit]:
        """Finds passages; see `graphs.pipeline.retrieval.Retrieval.search`."""

        async def find(query: str) -> list[Hit]:
            return [one.hit for one in await self._retrieval.search((query,), scope, trace)]

        try:
            with trace:
                if scope.rewrites:
                    settings = scope.settings
                    queries = await self._rewriter.rewritten(queries, settings, trace, find)
                trace.queries = tuple(queries)
                found = await self._retrieval.search(queries, scope, trace)
                trace.num_passages, trace.outcome = len(found), "answered"
                if self._texts is not None:
                    self._texts.of_search(queries, found, trace)
                if not scope.documents:
                    trace.documents = tuple(dict.fromkeys(one.hit.file_id for one in found))
                return found
        finally:
            self._observe(trace)

    def _fixed_reply(self, request: ChatRequest) -> str | None:
        """Gives the reply to what asks no document: small talk, and a chat with what only quotes.

        The message of such a reply is known word for word, or goes nowhere: nobody judges it.
        """
        if request.constraint is not None or request.exchange or _has_to_call(request):
            return None
        if request.retrieves:
            return small_talk(request.messages[-1].text)
        return QUOTES_ONLY if self._quote else None

    async def _told(self, text: str, trace: Trace, num_choices: int) -> AsyncGenerator[Event, None]:
        trace.outcome = "answered"
        yield Retrieved(passages=(), search_query=None, timings=())
        for event in alike([TextDelta(text=text), self._finished(trace)], num_choices):
            yield event

    async def _events(self, request: ChatRequest, trace: Trace) -> AsyncGenerator[Event, None]:
        if self._quote and (request.tools or request.exchange):
            trace.degrade("tools")  # what only quotes neither calls nor reads results
            request = replace(request, tools=None, exchange=())
        request = await self._checking.readable(request, trace)
        harmless, request, evidence = await self._check_and_find(request, trace)
        passages = evidence.passages if evidence and harmless else ()
        if not request.documents:
            trace.documents = tuple(dict.fromkeys(one.file_id for one in passages))
        retrieved = Retrieved(
            passages=passages,
            search_query=evidence.search_query if evidence else None,
            timings=trace.times,
        )
        if not harmless:
            trace.outcome = "refused"
            yield retrieved
            end = [self._finished(trace, refusal=self._safety.refusal)]
            for event in alike(end, request.num_choices):
                yield event
        elif evidence is not None and not (passages or request.tools or request.exchange):
            trace.outcome = "declined"
            yield retrieved
            for event in alike(self._declined(request, trace), request.num_choices):
                yield event
        else:
            generation = self._generation_request(request, evidence)
            choose = self._stages.choose
            answer = partial(
                self._answering.stream, retrieved=retrieved, trace=trace,
                verbatim=request.constraint is not None or _is_formed(request),
                writer=None if choose is None
                else choose.chosen(request, passages, is_reranked=trace.is_reranked),
                tells_moves=request.tells_moves,
            )  # fmt: skip
            async with aclosing(written(answer, generation, request.num_choices)) as events:
                async for event in events:
                    yield event

    def _declined(self, request: ChatRequest, trace: Trace) -> list[Event]:
        """Says that the passages hold no answer."""
        if request.constraint is not None:  # no text in that form says it
            return [self._finished(trace, refusal=NO_ANSWER, reason="stop")]
        return [TextDelta(text=NO_ANSWER), self._finished(trace)]

    async def _check_and_find(
        self, request: ChatRequest, trace: Trace
    ) -> tuple[bool, ChatRequest, Evidence | None]:
        """Checks the chat while retrieval runs; the first that fails ends the other."""
        async with together() as group:
            check = group.create_task(self._checking.is_harmless(request, trace))
            find = group.create_task(self._find(request, trace))
        harmless, heard = check.result()
        if heard is request:
            return harmless, request, find.result()
        # What was found rests on turns that are left out.
        return harmless, heard, await self._find(heard, trace)

    async def _find(self, request: ChatRequest, trace: Trace) -> Evidence | None:
        if not request.retrieves:
            return None
        return await self._retrieval.evidence(request, trace)

    def _generation_request(
        self, request: ChatRequest, evidence: Evidence | None
    ) -> GenerationRequest:
        """Settles the prompt, what may be answered, and a seed for a request that names none."""
        sampling = request.sampling
        if sampling.seed is None:
            sampling = replace(sampling, seed=secrets.randbits(63), seed_is_drawn=True)
        sampling = replace(sampling, rank=_RANKS[request.caller.service_class])
        if evidence is None:
            return GenerationRequest(
                request_id=request.request_id,
                messages=alternating((*request.messages, *request.exchange)),
                sampling=sampling,
                constraint=request.constraint,
                tools=request.tools,
                effort=request.effort,
                identity=request.identity,
                adapter=request.adapter,
                chat=chat_id(request.caller, request.messages, request.cache_key),
            )
        texts = quotable_answers(evidence.passages) if self._quote else ()
        texts = (evidence.quote,) if evidence.quote else texts
        return GenerationRequest(
            request_id=request.request_id,
            messages=evidence.prompt.messages(evidence.passages),
            sampling=sampling,
            constraint=Choices(texts=texts) if texts else request.constraint,
            tools=request.tools,
            effort=request.effort,
            identity=request.identity,
            adapter=request.adapter,
            chat=chat_id(request.caller, request.messages, request.cache_key),
        )

    @staticmethod
    def _finished(
        trace: Trace, *, refusal: str | None = None, reason: FinishReason | None = None
    ) -> Finished:
        return Finished(
            finish_reason=reason or ("stop" if refusal is None else "content_filter"),
            usage=_NOT_CALLED,
            refusal=refusal,
            degraded=trace.degraded,
            timings=trace.times,
            generated=trace.generated,
            spans=trace.spans,
        )


def _has_to_call(request: ChatRequest) -> bool:
    return request.tools is not None and request.tools.is_forced


def _is_formed(request: ChatRequest) -> bool:
    """Says whether what stands beside calls is JSON."""
    return request.tools is not None and request.tools.answer is not None
