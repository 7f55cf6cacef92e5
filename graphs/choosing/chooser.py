"""Chooses the generator of one answer, once its passages are known, and the next if that one fails.

    easy, by the router   small -> large                     -> elsewhere, if none of both runs
    hard                  large -> small, if no large one runs -> elsewhere, likewise

Only an answer that has not begun goes to the next one. One that has goes on exactly, with the model
that began it (graphs/failover.py), and who comes back for its rest is sent there again.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import zip_longest

from graphs.choosing.asked import asked_of
from graphs.choosing.begun import Begun
from graphs.choosing.router import Router
from graphs.errors import OverloadedError, StageUnavailableError
from graphs.pipeline.events import ChatRequest, Passage
from graphs.pipeline.stages import AnswerStage
from graphs.pipeline.trace import code_of
from models.errors import ContextLengthError, EngineStoppedError, ModelChangedError
from models.generation import GenerationChunk, GenerationRequest

logger = logging.getLogger(__name__)

FALLBACK = "fallback"  # the name of the generator elsewhere
_GONE = (StageUnavailableError, OverloadedError, EngineStoppedError)
# What a larger generator may make good: it has replicas, slots and room in its context of its own.
_TOO_MUCH = (*_GONE, ContextLengthError, ModelChangedError)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One generator.

    Attributes:
        name: of its deployment, or `FALLBACK`.
        stage: writes with it.
        runs: whether it has a replica, as Serve's router knows; of the one elsewhere, whether none
            of ours has.
    """

    name: str
    stage: AnswerStage
    runs: Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The generators of one Gateway.

    Attributes:
        large: writes what is hard, and everything where there is no other.
        small: writes what is easy; None: there is none.
        elsewhere: writes while neither runs; None: nobody does.
    """

    large: Candidate
    small: Candidate | None = None
    elsewhere: Candidate | None = None

    def may_follow(self, failed: Candidate, following: Candidate, err: Exception) -> bool:
        """Whether an answer that `failed` has not begun goes to `following`."""
        if following is self.elsewhere:
            return isinstance(err, _GONE) and following.runs()
        if failed is self.large:
            return isinstance(err, _GONE) and not failed.runs()
        return isinstance(err, _TOO_MUCH)


class Chooser:
    """See `graphs.pipeline.stages.ChooseStage`.

    Args:
        candidates: that it chooses from.
        router: tells what is easy; None: nothing is.
        wakes: whether a question starts a large generator that is scaled to zero.
        begun: who began which answer; outlives the settings.
    """

    def __init__(
        self, candidates: Candidates, *, router: Router | None, wakes: bool, begun: Begun
    ) -> None:
        self._candidates = candidates
        self._router = router
        self._wakes = wakes
        self._begun = begun
        self._has_run = False

    def chosen(self, request: ChatRequest, passages: Sequence[Passage]) -> AnswerStage:
        """Gives what writes this answer."""
        is_easy = self._router is not None and self._router.is_easy(asked_of(request, passages))
        ordered = self._of_new(is_easy) if request.identity is None else self._of_begun(is_easy)
        return _Turns(ordered, self._candidates, self._begun)

    def _of_begun(self, is_easy: bool) -> list[Candidate]:
        """Ours, and nobody elsewhere: the rest of an answer cannot be had there."""
        large, small = self._candidates.large, self._candidates.small
        if small is None:
            return [large]
        return [small, large] if is_easy else [large, small]

    def _of_new(self, is_easy: bool) -> list[Candidate]:
        large, small = self._candidates.large, self._candidates.small
        ordered = [large]
        if small is not None and self._router is not None and small.runs():
            ordered.insert(0 if is_easy else 1, small)
        if self._candidates.elsewhere is not None:
            ordered.append(self._candidates.elsewhere)
        if len(ordered) == 1:
            return ordered
        runs = large.runs()
        self._has_run = self._has_run or runs
        # One that was never seen may just start: its own wait for a slot tells whether it is gone.
        is_gone = not runs and self._has_run and not self._wakes
        if is_gone and any(one.runs() for one in ordered):
            ordered.remove(large)
        return ordered


class _Turns:
    """Asks one generator after the other until one has begun."""

    def __init__(self, ordered: Sequence[Candidate], candidates: Candidates, begun: Begun) -> None:
        self._ordered = ordered
        self._candidates = candidates
        self._begun = begun

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        """Streams an answer; raises what the last generator raised that was asked."""
        known = self._begun.of(request.identity)
        ordered = [one for one in self._ordered if known in (None, one.name)] or self._ordered
        for one, following in zip_longest(ordered, ordered[1:]):
            begun = False
            try:
                async with aclosing(self._written(one, request, following)) as chunks:
                    async for chunk in chunks:
                        begun = True
                        yield chunk
                return
            except _TOO_MUCH as err:
                if begun or not self._goes_on(one, following, err, request):
                    raise
                logger.warning(
                    "request_id=%s goes from %s to %s, since %s",
                    request.request_id, one.name, following.name, code_of(err),
                )  # fmt: skip

    def _goes_on(
        self,
        failed: Candidate,
        following: Candidate | None,
        err: Exception,
        request: GenerationRequest,
    ) -> bool:
        if following is None:
            return False
        if request.identity is not None:  # what one has not begun the other may have
            return isinstance(err, ModelChangedError)
        return self._candidates.may_follow(failed, following, err)

    async def _written(
        self, one: Candidate, request: GenerationRequest, following: Candidate | None
    ) -> AsyncGenerator[GenerationChunk, None]:
        """What it writes; a small one has begun with its first text only, since another may."""
        is_held = following is not None and one is self._candidates.small
        held: list[GenerationChunk] = []
        async with aclosing(one.stage.stream(request)) as chunks:
            async for chunk in chunks:
                if chunk.identity and request.identity is None:
                    self._begun.note(chunk.identity, one.name)
                held.append(replace(chunk, writer=one.name))
                if is_held and not chunk.text and chunk.finish_reason is None:
                    continue
                is_held = False
                for ready in held:
                    yield ready
                held.clear()
