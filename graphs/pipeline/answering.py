"""Generates an answer and checks it, segment by segment, while it decodes.

    generator -> markers -> segments ==queue==> safety filter -> text and citations -> client
    `------ a task of its own ------'           `------- the caller's, at its speed ------'

The task decodes as fast as it can, whatever the right side does.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from graphs.config import SafetySettings
from graphs.errors import OverloadedError, SafetyUnavailableError, StageUnavailableError
from graphs.pipeline.events import (
    Citation,
    Event,
    Finished,
    FinishReason,
    Generated,
    Retrieved,
    TextDelta,
    Usage,
)
from graphs.pipeline.markers import MarkerFilter, Verbatim
from graphs.pipeline.segments import Segment, Segmenter, TokenQueue
from graphs.pipeline.stages import SafetyStage, Stages
from graphs.pipeline.trace import Trace
from models.generation import GenerationRequest
from models.safety import Verdict


async def judge(safety: SafetyStage, texts: Sequence[str]) -> tuple[Verdict, ...]:
    """Asks the safety filter, and fails closed.

    Raises:
        SafetyUnavailableError: it does not answer.
    """
    try:
        return await safety.classify(texts)
    except OverloadedError:
        raise
    except StageUnavailableError as err:
        msg = "the safety filter is not available, so no answer is given"
        raise SafetyUnavailableError(msg) from err


@dataclass(kw_only=True)
class _Decoded:
    """What the decoding task has seen so far."""

    num_prompt_tokens: int = 0
    num_completion_tokens: int = 0
    finish_reason: FinishReason = "stop"
    num_migrations: int = 0
    identity: str = ""
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    tokens: TokenQueue = field(default_factory=TokenQueue)

    def usage(self) -> Usage:
        return Usage(
            num_prompt_tokens=self.num_prompt_tokens,
            num_completion_tokens=self.num_completion_tokens,
        )

    def cost(self) -> Generated:
        return Generated(
            stage="generate",
            num_prompt_tokens=self.num_prompt_tokens,
            num_completion_tokens=self.num_completion_tokens,
            num_migrations=self.num_migrations,
        )


class Answering:
    """Streams one checked answer.

    Decoding runs ahead in a task of its own, so a slow check or a slow client never holds a
    generation slot; what waits is at most one answer. Nothing is given out before its segment was
    judged harmless.
    """

    def __init__(self, settings: SafetySettings, stages: Stages) -> None:
        self._settings = settings
        self._stages = stages

    async def stream(
        self,
        request: GenerationRequest,
        retrieved: Retrieved,
        trace: Trace,
        *,
        verbatim: bool = False,
    ) -> AsyncGenerator[Event, None]:
        """Gives `retrieved`, the text and its citations, and `Finished` last.

        A `verbatim` answer is given character by character, without citations in it.

        Nothing is given before a generator has taken the question: until then a lack of generators
        is the request's own error. Closing stops the decoding.
        """
        segments: asyncio.Queue[Segment | None] = asyncio.Queue()
        decoded = _Decoded()
        reader = Verbatim() if verbatim else MarkerFilter({p.number: p for p in retrieved.passages})
        decoding = self._decode(request, reader, segments, decoded, trace)
        task = asyncio.create_task(decoding)
        task.add_done_callback(lambda _: decoded.taken.set())
        released = _Released(decoded.tokens)
        try:
            await decoded.taken.wait()
            if task.done():
                await task
            yield replace(retrieved, identity=decoded.identity)
            async for batch in _batches(segments):
                verdicts = await self._judge(batch, trace)
                for segment, harmless in zip(batch, verdicts, strict=True):
                    if not harmless:
                        trace.outcome = "refused"
                        await _ended(task)
                        yield self._finished(decoded, trace, refusal=self._settings.refusal)
                        return
                    for event in released.events(segment):
                        yield event
            await task
            if rest := decoded.tokens.rest():
                yield TextDelta(text="", tokens=rest)
            trace.outcome = "answered"
            yield self._finished(decoded, trace)
        finally:
            await _ended(task)

    async def _decode(
        self,
        request: GenerationRequest,
        markers: MarkerFilter | Verbatim,
        segments: "asyncio.Queue[Segment | None]",
        decoded: _Decoded,
        trace: Trace,
    ) -> None:
        segmenter = Segmenter(
            segment_chars=self._settings.segment_chars, window_chars=self._settings.window_chars
        )
        try:
            with trace.stage("generate"):
                async with aclosing(self._stages.generator.stream(request)) as chunks:
                    async for chunk in chunks:
                        decoded.identity = chunk.identity
                        decoded.taken.set()
                        decoded.num_prompt_tokens = max(
                            decoded.num_prompt_tokens, chunk.num_prompt_tokens
                        )
                        decoded.num_migrations = chunk.attempt
                        decoded.num_completion_tokens = chunk.position + len(chunk.token_ids)
                        decoded.finish_reason = chunk.finish_reason or "stop"
                        decoded.tokens.add(chunk)
                        for segment in segmenter.push(markers.push(chunk.text)):
                            segments.put_nowait(segment)
            for segment in [*segmenter.push(markers.flush()), *segmenter.flush()]:
                segments.put_nowait(segment)
        finally:
            trace.count(decoded.cost())
            segments.put_nowait(None)

    async def _judge(self, batch: Sequence[Segment], trace: Trace) -> list[bool]:
        """Says of each segment whether it is harmless."""
        if not self._settings.check_answer:
            return [True] * len(batch)
        with trace.stage("check_answer"):
            verdicts = await judge(self._stages.safety, [segment.window for segment in batch])
        return [not verdict.flagged for verdict in verdicts]

    @staticmethod
    def _finished(decoded: _Decoded, trace: Trace, *, refusal: str | None = None) -> Finished:
        return Finished(
            finish_reason=decoded.finish_reason if refusal is None else "content_filter",
            usage=decoded.usage(),
            refusal=refusal,
            degraded=trace.degraded,
            timings=trace.times,
            num_migrations=decoded.num_migrations,
            generated=trace.generated,
        )


class _Released:
    """Turns judged segments into events and counts their characters."""

    def __init__(self, tokens: TokenQueue) -> None:
        self._num_chars = 0
        self._tokens = tokens

    def events(self, segment: Segment) -> list[Event]:
        text = "".join(piece.text for piece in segment.pieces)
        events: list[Event] = [TextDelta(text=text, tokens=self._tokens.up_to(segment.num_raw))]
        for piece in segment.pieces:
            end = self._num_chars + len(piece.text)
            if piece.passage is not None:
                events.append(Citation(start=self._num_chars, end=end, passage=piece.passage))
            self._num_chars = end
        return events


async def _batches(
    segments: "asyncio.Queue[Segment | None]",
) -> AsyncGenerator[list[Segment], None]:
    """Gives all segments that wait, at least one at a time, until the None at the end."""
    ended = False
    while not ended:
        batch = [await segments.get()]
        while not segments.empty():
            batch.append(segments.get_nowait())
        ended = batch[-1] is None
        waiting = [segment for segment in batch if segment is not None]
        if waiting:
            yield waiting


async def _ended(task: "asyncio.Task[None]") -> None:
    """Stops the decoding and waits until it has freed its slot."""
    task.cancel()
    await asyncio.wait([task])
