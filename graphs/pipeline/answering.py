"""Generates an answer and checks it, segment by segment, while it decodes.

    generator -> channels -> segments ==queue==> safety filter -> events -> client
    `------ a task of its own -------'           `-- the caller's, at its speed --'

The task decodes as fast as it can, whatever the right side does.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from graphs.config import SafetySettings
from graphs.errors import OverloadedError, SafetyUnavailableError, StageUnavailableError
from graphs.findings import Attempt
from graphs.pipeline.channels import Channels, Released
from graphs.pipeline.events import (
    Event,
    Finished,
    FinishReason,
    Generated,
    Moved,
    Retrieved,
    TextDelta,
    Usage,
)
from graphs.pipeline.markers import MarkerFilter, Verbatim
from graphs.pipeline.segments import Segment, TokenQueue
from graphs.pipeline.stages import AnswerStage, SafetyStage, Stages
from graphs.pipeline.trace import Trace
from models.generation import GenerationChunk, GenerationRequest
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
    writer: str = ""
    model: str = ""
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    tokens: TokenQueue = field(default_factory=TokenQueue)
    num_reasoning_tokens: int = 0
    num_told_moves: int = 0
    first_at: float | None = None  # when tokens came, and came last
    last_at: float = 0.0

    def add(self, chunk: GenerationChunk, trace: Trace) -> None:
        """Takes note of the next piece of the answer."""
        if chunk.replica:
            trace.findings.attempts.append(
                Attempt(
                    number=chunk.attempt, position=chunk.position, replica=chunk.replica,
                    reason=chunk.moved_by,
                )
            )  # fmt: skip
        self.identity, self.writer = chunk.identity, chunk.writer
        self.model = self.model or chunk.model
        trace.writer, trace.model = chunk.writer, self.model
        if chunk.token_ids or chunk.text:  # the generator elsewhere tells of no ids
            self.last_at = time.perf_counter()
            self.first_at = self.first_at or self.last_at
        self.taken.set()
        self.num_prompt_tokens = max(self.num_prompt_tokens, chunk.num_prompt_tokens)
        self.num_migrations = chunk.attempt
        self.num_completion_tokens = chunk.position + len(chunk.token_ids)
        self.finish_reason = chunk.finish_reason or "stop"
        self.tokens.add(chunk)

    def moved(self) -> Moved | None:
        """Says that the answer has moved since this was asked last; None: it has not."""
        if self.num_migrations == self.num_told_moves:
            return None
        self.num_told_moves = self.num_migrations
        return Moved(num_migrations=self.num_migrations)

    def usage(self) -> Usage:
        return Usage(
            num_prompt_tokens=self.num_prompt_tokens,
            num_completion_tokens=self.num_completion_tokens,
            num_reasoning_tokens=self.num_reasoning_tokens,
        )

    def cost(self) -> Generated:
        return Generated(
            stage="generate",
            num_prompt_tokens=self.num_prompt_tokens,
            num_completion_tokens=self.num_completion_tokens,
            num_migrations=self.num_migrations,
            writer=self.writer,
            decoding_ms=1000 * (self.last_at - (self.first_at or self.last_at)),
        )


class Answering:
    """Streams one checked answer.

    Decoding runs ahead in a task of its own, so a slow check or a slow client never holds a
    generation slot; what waits is at most one answer. Nothing is given out before its segment was
    judged harmless.

    Args:
        moved: is told of an answer that goes on at another replica, as it does: its trace, the code
            of the error that ended it where it was, and how many tokens had come.
    """

    def __init__(
        self, settings: SafetySettings, stages: Stages, moved: Callable[[Trace, str, int], None]
    ) -> None:
        self._settings = settings
        self._stages = stages
        self._moved = moved

    async def stream(
        self,
        request: GenerationRequest,
        retrieved: Retrieved,
        trace: Trace,
        *,
        verbatim: bool = False,
        writer: AnswerStage | None = None,
        tells_moves: bool = False,
    ) -> AsyncGenerator[Event, None]:
        """Gives `retrieved`, the text and its citations, and `Finished` last.

        A `verbatim` answer is given character by character, without citations in it. The `writer`
        was chosen for it; None: the generator writes it. With `tells_moves`, `Moved` comes before
        what another replica has written.

        Nothing is given before a generator has taken the question: until then a lack of generators
        is the request's own error. Closing stops the decoding.
        """
        segments: asyncio.Queue[Segment | None] = asyncio.Queue()
        decoded = _Decoded()
        reader = Verbatim() if verbatim else MarkerFilter({p.number: p for p in retrieved.passages})
        chunks = (writer or self._stages.generator).stream(request)
        task = asyncio.create_task(self._decode(chunks, reader, segments, decoded, trace))
        released = Released(decoded.tokens)
        try:
            await _taken(task, decoded)
            yield replace(
                retrieved, identity=decoded.identity, writer=decoded.writer, model=decoded.model
            )
            async for batch in _batches(segments):
                if tells_moves and (moved := decoded.moved()):
                    yield moved
                verdicts = await self._judge(batch, trace)
                for segment, harmless in zip(batch, verdicts, strict=True):
                    if not harmless:
                        trace.outcome = "refused"
                        await _ended(task)
                        yield self._finished(decoded, trace, refusal=self._settings.refusal)
                        return
                    trace.first_token()
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
        stream: AsyncGenerator[GenerationChunk, None],
        markers: MarkerFilter | Verbatim,
        segments: "asyncio.Queue[Segment | None]",
        decoded: _Decoded,
        trace: Trace,
    ) -> None:
        channels = Channels(markers, self._settings)
        try:
            with trace.stage("generate"):
                async with aclosing(stream) as chunks:
                    async for chunk in chunks:
                        if chunk.attempt > decoded.num_migrations:
                            self._moved(trace, chunk.moved_by, chunk.position)
                        decoded.add(chunk, trace)
                        for segment in channels.push(chunk):
                            segments.put_nowait(segment)
                        decoded.num_reasoning_tokens = channels.num_reasoning_tokens
            for segment in channels.flush():
                segments.put_nowait(segment)
            if channels.num_calls and decoded.finish_reason == "stop":
                decoded.finish_reason = "tool_calls"
        finally:
            trace.count(decoded.cost())
            segments.put_nowait(None)

    async def _judge(self, batch: Sequence[Segment], trace: Trace) -> list[bool]:
        """Says of each segment whether it is harmless."""
        if not self._settings.check_answer:
            return [True] * len(batch)
        with trace.stage("check_answer"):
            verdicts = await judge(self._stages.safety, [segment.window for segment in batch])
        for verdict in verdicts:
            if verdict.flagged:
                trace.findings.note_flagged("answer", verdict.flagged_categories)
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
            spans=trace.spans,
        )


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


async def _taken(task: "asyncio.Task[None]", decoded: _Decoded) -> None:
    """Waits until a generator has taken the question, or raises why none does."""
    task.add_done_callback(lambda _: decoded.taken.set())
    await decoded.taken.wait()
    if task.done():
        await task


async def _ended(task: "asyncio.Task[None]") -> None:
    """Stops the decoding and waits until it has freed its slot."""
    task.cancel()
    await asyncio.wait([task])
