"""What the generator writes for the search: a question that stands alone, other wordings, a guess.

All of it is optional: when the generator does not write in time, the request goes on without, and
its trace says so.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from graphs.errors import OverloadedError, PoisonRequestError, StageUnavailableError
from graphs.pipeline.events import Generated
from graphs.pipeline.stages import GenerateStage
from graphs.pipeline.trace import Trace
from models.errors import ContextLengthError, EngineStoppedError, ModelChangedError
from models.generation import GenerationRequest, Message, Sampling

# Why a generator may not write what is optional. A chat that is too long for it is no bad request.
_WITHOUT = (
    StageUnavailableError, OverloadedError, PoisonRequestError, EngineStoppedError,
    ModelChangedError, ContextLengthError, TimeoutError,
)  # fmt: skip


class Writer:
    """Lets the generator write short texts, greedily."""

    def __init__(self, generator: GenerateStage) -> None:
        self._generator = generator

    async def write(
        self,
        stage: str,
        messages: Sequence[Message],
        trace: Trace,
        *,
        max_tokens: int,
        timeout_s: float,
    ) -> str:
        """Gives the text, without white space around it; empty when there is none in time.

        Args:
            stage: what it is for, as the trace names it.
            messages: what the generator is asked.
            trace: of the request; learns what it cost, and that the stage was left out.
            max_tokens: of the text.
            timeout_s: for all of it, the wait for a slot included.
        """
        asked = GenerationRequest(
            request_id=trace.request_id,
            messages=tuple(messages),
            sampling=Sampling(max_tokens=max_tokens, temperature=0.0),
        )
        try:
            async with asyncio.timeout(timeout_s):
                return await self._text(stage, asked, trace)
        except _WITHOUT:
            trace.degrade(stage)
            return ""

    async def _text(self, stage: str, asked: GenerationRequest, trace: Trace) -> str:
        texts: list[str] = []
        num_prompt_tokens = num_tokens = num_migrations = 0
        writer = ""
        try:
            async with aclosing(self._generator.stream(asked)) as chunks:
                async for chunk in chunks:
                    texts.append(chunk.text)
                    num_prompt_tokens = max(num_prompt_tokens, chunk.num_prompt_tokens)
                    num_tokens = chunk.position + len(chunk.token_ids)
                    num_migrations, writer = chunk.attempt, chunk.writer
        finally:
            trace.count(
                Generated(
                    stage=stage,
                    num_prompt_tokens=num_prompt_tokens,
                    num_completion_tokens=num_tokens,
                    num_migrations=num_migrations,
                    writer=writer,
                )
            )
        return "".join(texts).strip()
