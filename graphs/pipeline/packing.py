"""What fits into the generator's context: the frame, earlier turns, then passages, best first.

| rules, instructions | earlier turns | passages ............ | question | room for the answer |
always                newest first    best first, whole       always     as usual

`max_tokens` of a request is an upper bound: no more room is kept for it than for an answer that
names none, and the generator writes into whatever is left.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from graphs.pipeline.events import ChatRequest, Passage
from graphs.pipeline.prompt import Prompt, earlier_turns, instructions_of, passage_block
from graphs.pipeline.relevance import ScoredHit
from graphs.pipeline.trace import Trace
from models.errors import ContextLengthError
from models.generation import Message
from models.token_counter import TokenCounter

# Room for the tokens that a chat template adds around two turns, and around each further one.
_FRAME_TOKENS, _TURN_TOKENS = 32, 16
_HISTORY_SHARE = 0.25  # of what is left beside the frame, at most: passages go before old turns
_SHORT_CHARS = 20_000  # counted at once; longer texts would hold up the event loop for milliseconds


class Packer:
    """Fills one context; every text is counted as the generator does."""

    def __init__(self, counter: TokenCounter, *, max_tokens: int | None) -> None:
        """Sizes the context.

        Args:
            counter: of the generator that will answer.
            max_tokens: most of the answer; None: the generator's own limit.
        """
        self._counter = counter
        usual = counter.profile.max_answer_tokens
        self._answer_tokens = min(max_tokens or usual, usual)

    async def room(self, prompt: Prompt) -> int:
        """Gives the tokens that are left for passages and earlier turns together.

        Args:
            prompt: without passages and turns.

        Raises:
            ContextLengthError: the prompt and the answer alone do not fit.
        """
        counts = await self._count(prompt.texts())
        num_frame_tokens = int(counts.sum()) + _FRAME_TOKENS
        context_tokens = self._counter.profile.context_tokens
        left = context_tokens - num_frame_tokens - self._answer_tokens
        if left < 0:
            msg = (
                f"the context holds {context_tokens} tokens, but the question has "
                f"{num_frame_tokens} with its prompt and the answer needs {self._answer_tokens}"
            )
            raise ContextLengthError(msg)
        return left

    async def chat(
        self, question: str, request: ChatRequest, trace: Trace, *, history_tokens: int
    ) -> tuple[Prompt, int]:
        """Gives the prompt of a chat without passages, and the tokens that are left for these.

        Args:
            question: the last one, so that it stands alone.
            request: the chat.
            trace: is told when earlier turns are left out.
            history_tokens: most tokens for earlier turns.

        Raises:
            ContextLengthError: the prompt and the answer alone do not fit.
        """
        prompt = Prompt(
            question=question,
            instructions=instructions_of(request.messages),
            exchange=request.exchange,
            tools=request.tools,
        )
        room = await self.room(prompt)
        earlier = earlier_turns(request.messages)
        # The question follows; templates demand that an answer stands before it.
        answered = earlier[:-1] if earlier and earlier[-1].role == "user" else earlier
        turns, num_tokens = await self.newest(answered, room=room, limit=history_tokens)
        if len(turns) < len(earlier):
            trace.degrade("history")
        return replace(prompt, turns=turns), room - num_tokens

    async def newest(
        self, turns: Sequence[Message], *, room: int, limit: int
    ) -> tuple[tuple[Message, ...], int]:
        """Gives the newest turns that fit, and the tokens that they take.

        Args:
            turns: the client's and the assistant's, oldest first.
            room: tokens for turns and passages together.
            limit: most tokens for turns.
        """
        if not turns:
            return (), 0
        counts = await self._count([turn.text for turn in turns])
        sums = list(accumulate(int(count) + _TURN_TOKENS for count in counts[::-1]))
        most = min(limit, int(room * _HISTORY_SHARE))
        num_kept = sum(total <= most for total in sums)
        # A chat begins with its user, as chat templates demand.
        while num_kept and turns[-num_kept].role != "user":
            num_kept -= 1
        kept = tuple(turns[len(turns) - num_kept :])
        return kept, sums[num_kept - 1] if num_kept else 0

    async def passages(self, hits: Sequence[ScoredHit], *, room: int) -> tuple[Passage, ...]:
        """Gives the first hits that fit, numbered in their order."""
        if not hits:
            return ()
        passages = [_passage(number, one) for number, one in enumerate(hits, start=1)]
        counts = await self._count([passage_block(one.number, one) for one in passages])
        fits = np.cumsum(counts) <= room
        return tuple(passage for passage, fit in zip(passages, fits, strict=True) if fit)

    async def _count(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        if sum(map(len, texts)) <= _SHORT_CHARS:
            return self._counter.count(texts)
        return await asyncio.to_thread(self._counter.count, texts)


def _passage(number: int, scored: ScoredHit) -> Passage:
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
        score=scored.relevance,
        attributes=hit.attributes,
    )
