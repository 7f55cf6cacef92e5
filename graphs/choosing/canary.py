"""A second version of the generator beside the first: who gets it, and whether it is as good.

    question --hash of conversation or key--> share: the second version | the rest: the first
    answers  --> a tally each: failed, flagged, seconds, characters, cited, grounded
    verdict  --> as good: goes on | worse: rolled back, all questions go to the first

Each Gateway judges by the answers that it has passed on; what is rolled back stays so until the
settings change or the Gateway starts anew. With `shadow` the first version answers everybody and
the share is asked a second time, for the tally alone.
"""

import asyncio
import logging
import statistics
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from graphs.choosing.begun import Begun
from graphs.choosing.tally import FEWEST, Answered, Figures, Tally, share_of, sure_rise
from graphs.pipeline.events import ChatRequest, Event, Retrieved
from graphs.pipeline.prompt import chat_id
from graphs.settings import CanarySettings

logger = logging.getLogger(__name__)

FIRST, SECOND = "first", "second"
_MAX_SHADOWS = 8  # at once; more questions are not asked a second time

Answer = Callable[[ChatRequest], AsyncGenerator[Event, None]]


@dataclass(frozen=True, kw_only=True)
class CanaryStatus:
    """What one Gateway knows; `rolled_back` is the reason, empty while the second version runs."""

    share: float
    shadow: bool
    rolled_back: str
    first: Figures
    second: Figures


class Canary:
    """Chooses the version of every question and judges the second one."""

    def __init__(
        self, settings: CanarySettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self.rolled_back = ""
        self._tallies = {FIRST: Tally(clock), SECOND: Tally(clock)}
        self._shadows: set[asyncio.Task[None]] = set()
        self._begun = Begun()

    def changed(self, settings: CanarySettings) -> "Canary":
        """Gives one that judges anew, and knows which version has begun what."""
        if settings == self.settings:
            return self
        made = Canary(settings)
        made._begun = self._begun
        return made

    def holds(self, request: ChatRequest) -> bool:
        """Whether the question belongs to the share, the same for a whole conversation or key."""
        return _place(request, self.settings.sticky) < self.settings.share

    async def answer(
        self, request: ChatRequest, first: Answer, second: Answer | None, others: Sequence[str] = ()
    ) -> AsyncGenerator[Event, None]:
        """Answers with the version that is chosen.

        Args:
            request: the question.
            first: answers with the first version.
            second: likewise, None while none of it runs; in shadow it goes on nobody's account.
            others: names of generators that are neither, and may write in the place of either.
        """
        if self.settings.share and not self.rolled_back:
            self.rolled_back = self._fault() or ""
        chosen = FIRST if second is None else self._chosen(request)
        if second is not None and chosen == FIRST and self._is_shadowed(request):
            self._shadow(request, second)
        version = first if second is None or chosen == FIRST else second
        with self._tallies[chosen].watched() as answer:
            answer.request = request if self.settings.share else None
            async with aclosing(version(request)) as events:
                async for event in events:
                    answer.see(event)
                    if isinstance(event, Retrieved) and event.identity:
                        answer.is_own = event.writer not in others
                        self._begun.note(event.identity, chosen)
                        if answer.is_own:
                            self._note(chosen, answer, event.identity, request)
                    yield event

    def _chosen(self, request: ChatRequest) -> str:
        """A broken answer goes on with the version that began it, also of one rolled back."""
        if (version := self._begun.of(request.identity)) is not None:
            return version
        if self.settings.shadow or (self.rolled_back and request.identity is None):
            return FIRST
        return SECOND if self.holds(request) else FIRST

    def _is_shadowed(self, request: ChatRequest) -> bool:
        is_new = request.identity is None
        return self.settings.shadow and is_new and not self.rolled_back and self.holds(request)

    def _shadow(self, request: ChatRequest, second: Answer) -> None:
        if len(self._shadows) < _MAX_SHADOWS:
            asked = replace(request, request_id=f"{request.request_id}-shadow")
            task = asyncio.create_task(self._throw_away(asked, second))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)

    async def _throw_away(self, request: ChatRequest, second: Answer) -> None:
        try:
            with self._tallies[SECOND].watched() as answer:
                answer.request = request
                async with aclosing(second(request)) as events:
                    async for event in events:
                        answer.see(event)
                        if isinstance(event, Retrieved) and event.identity:
                            self._note(SECOND, answer, event.identity, request)
        except Exception as err:  # it is in the tally, and concerns no client
            logger.info("a shadow answer failed: %r", err)

    def _note(self, version: str, answer: Answered, model: str, request: ChatRequest) -> None:
        """What is compared with stays a whole tally; adapters are several of one model."""
        if version == SECOND and not request.adapter:
            self._tallies[SECOND].note(answer, model)

    def status(self) -> CanaryStatus:
        """Tells what is known."""
        return CanaryStatus(
            share=self.settings.share, shadow=self.settings.shadow, rolled_back=self.rolled_back,
            first=self._tallies[FIRST].figures(), second=self._tallies[SECOND].figures(),
        )  # fmt: skip

    def _fault(self) -> str | None:
        """Says why the second version is worse, if it surely is."""
        found = self._rise("failed", self.settings.max_failed_rise)
        found = found or self._rise("flagged", self.settings.max_flagged_rise) or self._slowness()
        found = found or self._ungroundedness()
        if found:
            logger.critical("the second version of the generator is rolled back: %s", found)
        return found

    def _rise(self, name: str, most: float) -> str | None:
        part, whole = self._tallies[SECOND].counts(name)
        before = self._tallies[FIRST].counts(name)
        if whole < FEWEST or sure_rise(before, (part, whole)) <= most:
            return None
        return f"{part} of {whole} answers {name}, of the first version {share_of(before) or 0:.1%}"

    def _ungroundedness(self) -> str | None:
        before, now = self._tallies[FIRST].ungrounded(), self._tallies[SECOND].ungrounded()
        fewest, most = self.settings.min_answers, self.settings.max_grounded_fall
        if min(before[1], now[1]) < fewest or sure_rise(before, now) <= most:
            return None
        was, is_now = (1 - lacking / count for lacking, count in (before, now))
        return f"passages have {is_now:.0%} of the words of its answers, {was:.0%} of the first's"

    def _slowness(self) -> str | None:
        usual = self._tallies[FIRST].seconds()
        if len(usual) < self.settings.min_answers:
            return None
        most = statistics.median(usual) * self.settings.max_slowdown
        seconds = self._tallies[SECOND].seconds(above=most)
        if len(seconds) < self.settings.min_answers or statistics.median(seconds) <= most:
            return None
        median = statistics.median(seconds)
        return f"half of its answers take {median:.2f} s and more, at most {most:.2f} s are allowed"


def _place(request: ChatRequest, sticky: str) -> float:
    """Where in 0..1 a conversation or a key falls, alike in every Gateway.

    A `cache_key` has no say: one of a whole application would make a share all or nothing.
    """
    messages = request.messages if sticky == "conversation" else ()
    return int(chat_id(request.caller, messages), 16) / 2**64
