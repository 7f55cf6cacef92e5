"""Which turns of a chat are checked, and what of it goes on.

    system, developer     never: they are the application's own; nor results of its tools
    user, the last        always; a harmful question is refused
    the earlier ones      where a generator reads them; a harmful one is left out of the chat
                          together with its exchange, and refuses no harmless question after it

A question that no context holds is refused before anybody checks it.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from graphs.config import GatewayConfig
from graphs.pipeline.answering import judge
from graphs.pipeline.events import ChatRequest, Message
from graphs.pipeline.prompt import texts_of, tool_texts
from graphs.pipeline.stages import Stages
from graphs.pipeline.trace import Trace
from models.errors import ContextLengthError
from models.token_counter import TokenCounter

_CHARS_A_TOKEN = 8  # more than a tokenizer gives for texts that are not mostly blanks
_SEARCHED_CHARS = 8_192  # of earlier turns, at least: what a follow-up may be understood from
_SHORT_CHARS = 20_000  # counted at once; longer texts would hold up the event loop for milliseconds


class Checking:
    """Checks chats before they are answered."""

    def __init__(self, config: GatewayConfig, stages: Stages) -> None:
        self._checks = config.safety.check_question
        self._quotes = config.answers == "quote"
        self._history_chars = max(_CHARS_A_TOKEN * config.history_tokens, _SEARCHED_CHARS)
        self._stages = stages

    async def readable(self, request: ChatRequest, trace: Trace) -> ChatRequest:
        """Gives the chat without the earlier turns that no prompt has room for.

        Raises:
            ContextLengthError: what the generator has to read does not fit its context.
        """
        turns = request.messages[-1:] if request.retrieves else request.messages
        texts = [*texts_of([*turns, *request.exchange]), *tool_texts(request.tools)]
        await _check_length(await self._stages.generator.tokens(), texts)
        if not request.retrieves:
            return request
        return _left_out(request, self._beyond_history(request.messages), trace)

    async def is_harmless(self, request: ChatRequest, trace: Trace) -> tuple[bool, ChatRequest]:
        """Says whether the question is harmless, and gives the chat without harmful exchanges.

        Raises:
            SafetyUnavailableError: the safety filter does not answer.
        """
        if not self._checks:
            return True, request
        judged = list(self._judged(request))
        with trace.stage("check_question"):
            texts = [request.messages[place].text for place in judged]
            verdicts = await judge(self._stages.safety, texts)
        flagged = {
            place for place, verdict in zip(judged, verdicts, strict=True) if verdict.flagged
        }
        last = len(request.messages) - 1
        for place, verdict in zip(judged, verdicts, strict=True):
            if verdict.flagged:
                what = "question" if place == last else "history"
                trace.findings.note_flagged(what, verdict.flagged_categories)
        if last in flagged:
            return False, request
        return True, _left_out(request, flagged, trace)

    def _reads_history(self, request: ChatRequest) -> bool:
        """Says whether a generator reads earlier turns, or writes for the search what they say."""
        settings = request.retrieval
        return (
            not self._quotes
            or not request.retrieves
            or settings.condense == "generate"
            or settings.expand != "off"
        )

    def _judged(self, request: ChatRequest) -> Iterator[int]:
        """Gives the places of the turns that are judged, the last among them."""
        if self._reads_history(request):
            for place, turn in enumerate(request.messages[:-1]):
                if turn.role in ("user", "assistant") and turn.text.strip():
                    yield place
        yield len(request.messages) - 1

    def _beyond_history(self, messages: Sequence[Message]) -> set[int]:
        """Gives the places of the turns that do not fit, nor older ones, whatever their tokens."""
        newest_first = range(len(messages) - 2, -1, -1)
        spoken = [place for place in newest_first if _is_spoken(messages[place])]
        sums = accumulate(len(messages[place].text) for place in spoken)
        return {
            place for place, total in zip(spoken, sums, strict=True) if total > self._history_chars
        }


def _is_spoken(turn: Message) -> bool:
    return turn.role not in ("system", "developer")


def _left_out(request: ChatRequest, places: Collection[int], trace: Trace) -> ChatRequest:
    """Leaves out the exchanges in which these turns stand; the question and instructions stay."""
    if not places:
        return request
    trace.degrade("history")
    exchanges = _exchanges(request.messages)
    gone = {exchanges[place] for place in places}
    last = len(request.messages) - 1
    kept = tuple(
        turn
        for place, turn in enumerate(request.messages)
        if place == last or not _is_spoken(turn) or exchanges[place] not in gone
    )
    return replace(request, messages=kept)


def _exchanges(messages: Sequence[Message]) -> list[int]:
    """Numbers the exchanges, from a turn of the user to the last answer before the next one."""
    numbers, number, was_user = [], 0, True
    for turn in messages:
        if turn.role == "user" and not was_user:
            number += 1
        if _is_spoken(turn):
            was_user = turn.role == "user"
        numbers.append(number)
    return numbers


async def _check_length(counter: TokenCounter, texts: Sequence[str]) -> None:
    """Refuses texts that no context holds; counts no more of a long one than is needed for that."""
    context_tokens = counter.profile.context_tokens
    longest = max(map(len, texts))
    for most in (min(longest, _CHARS_A_TOKEN * context_tokens), longest):
        parts = [text[:most] for text in texts]
        is_short = sum(map(len, parts)) <= _SHORT_CHARS
        counts = counter.count(parts) if is_short else await asyncio.to_thread(counter.count, parts)
        num_tokens = int(counts.sum())
        if num_tokens > context_tokens:
            msg = (
                f"the context holds {context_tokens} tokens, but what is asked has {num_tokens}"
                f"{' and more' if most < longest else ''}"
            )
            raise ContextLengthError(msg)
        if most == longest:
            return
