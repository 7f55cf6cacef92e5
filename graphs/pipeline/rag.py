"""The RAG pipeline: plain async code inside the Gateway, one handle hop a model.

check question    at once with    condense -> embed -> search -> rerank -> pack
generate          checked segment by segment while it decodes
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace

from graphs.config import GatewayConfig
from graphs.pipeline.answering import Answering, judge
from graphs.pipeline.events import ChatRequest, Event, Finished, Retrieved, TextDelta, Usage
from graphs.pipeline.prompt import NO_ANSWER, answer_messages, quotable_answers
from graphs.pipeline.retrieval import Found, Retrieval
from graphs.pipeline.stages import Progress, Stages
from models.constraints import Choices
from models.generation import GenerationRequest

logger = logging.getLogger(__name__)

_NOT_CALLED = Usage(num_prompt_tokens=0, num_completion_tokens=0)


class RagPipeline:
    """Answers chats from passages, or from the bare generator when no store is named."""

    def __init__(self, config: GatewayConfig, stages: Stages) -> None:
        self._safety = config.safety
        self._quote = config.answers == "quote"
        self._stages = stages
        self._retrieval = Retrieval(config.retrieval, config.deadline, stages)
        self._answering = Answering(config.safety, stages)

    async def answer(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answers a chat: `Retrieved` first, `Finished` last.

        Closing the generator stops all that runs for it.

        Raises:
            ContextLengthError: question and answer do not fit the generator's context.
            SafetyUnavailableError: the safety filter does not answer.
            StageUnavailableError: a deployment that the answer needs does not answer.
            OverloadedError: a queue is full.
        """
        progress = Progress()
        harmless, found = await self._check_and_find(request, progress)
        passages = found.passages if found and harmless else ()
        retrieved = Retrieved(
            passages=passages,
            search_query=found.search_query if found else None,
            timings=progress.times,
        )
        if not harmless:
            yield retrieved
            yield self._finished(progress, refusal=self._safety.refusal)
        elif found is not None and not passages:
            yield retrieved
            yield TextDelta(text=NO_ANSWER)
            yield self._finished(progress)
        else:
            generation = self._generation_request(request, found)
            async with aclosing(self._answering.stream(generation, retrieved, progress)) as events:
                async for event in events:
                    yield event
        _log(request, len(passages), progress)

    async def _check_and_find(
        self, request: ChatRequest, progress: Progress
    ) -> tuple[bool, Found | None]:
        """Checks the question while retrieval runs; the first that fails ends the other."""
        try:
            async with asyncio.TaskGroup() as group:
                check = group.create_task(self._is_harmless(request, progress))
                find = group.create_task(self._find(request, progress))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return check.result(), find.result()

    async def _find(self, request: ChatRequest, progress: Progress) -> Found | None:
        if request.store_ids is None:
            return None
        return await self._retrieval.find(request, progress)

    async def _is_harmless(self, request: ChatRequest, progress: Progress) -> bool:
        if not self._safety.check_question:
            return True
        texts = [message.text for message in request.messages if message.role == "user"]
        with progress.stage("check_question"):
            verdicts = await judge(self._stages.safety, texts)
        return not any(verdict.flagged for verdict in verdicts)

    def _generation_request(self, request: ChatRequest, found: Found | None) -> GenerationRequest:
        """Settles the prompt, what may be answered, and a seed for a request that names none."""
        texts = quotable_answers(found.passages) if found and self._quote else ()
        sampling = request.sampling
        if sampling.seed is None:
            sampling = replace(sampling, seed=secrets.randbits(63))
        return GenerationRequest(
            request_id=request.request_id,
            messages=answer_messages(found.question, found.passages) if found else request.messages,
            sampling=sampling,
            constraint=Choices(texts=texts) if texts else None,
            identity=request.identity,
        )

    @staticmethod
    def _finished(progress: Progress, *, refusal: str | None = None) -> Finished:
        return Finished(
            finish_reason="stop" if refusal is None else "content_filter",
            usage=_NOT_CALLED,
            refusal=refusal,
            degraded=progress.degraded,
            timings=progress.times,
        )


def _log(request: ChatRequest, num_passages: int, progress: Progress) -> None:
    stages: Mapping[str, float] = {time.stage: time.latency_ms for time in progress.times}
    logger.info(
        "answered request_id=%s num_passages=%d degraded=%s latency_ms=%s",
        request.request_id,
        num_passages,
        ",".join(progress.degraded) or "-",
        stages,
    )
