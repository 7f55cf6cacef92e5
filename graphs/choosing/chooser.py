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
from models.errors import (
    EngineStoppedError,
    InvalidInputError,
    ModelChangedError,
    UnknownAdapterError,
)
from models.generation import GenerationChunk, GenerationRequest

logger = logging.getLogger(__name__)

FALLBACK = "fallback"  # the name of the generator elsewhere
_GONE = (StageUnavailableError, OverloadedError, EngineStoppedError)
_LIMITS = (InvalidInputError, UnknownAdapterError)  # context and forms among them
# What a larger generator may make good: it has replicas, slots and limits of its own.
_TOO_MUCH = (*_GONE, *_LIMITS, ModelChangedError)


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
        begun: who began which answer and who has run; outlives the settings.
    """

    def __init__(
        self, candidates: Candidates, *, router: Router | None, wakes: bool, begun: Begun
    ) -> None:
        self._candidates = candidates
        self._router = router
        self._wakes = wakes
        self._begun = begun

    def chosen(
        self, request: ChatRequest, passages: Sequence[Passage], *, is_reranked: bool
    ) -> AnswerStage:
        """Gives what writes this answer."""
        asked = asked_of(request, passages, is_reranked=is_reranked)
        is_easy = self._router is not None and self._router.is_easy(asked)
        # Which adapters the large one has the small one cannot be expected to have.
        small = None if request.adapter else self._candidates.small
        of_whom = self._of_new if request.identity is None else self._of_begun
        ordered = of_whom(small, is_easy=is_easy)
        return _Turns(ordered, self._candidates, self._begun)

    def _of_begun(self, small: Candidate | None, *, is_easy: bool) -> list[Candidate]:
        """Ours, those that run first; nobody elsewhere: the rest cannot be had there."""
        large = self._candidates.large
        if small is None:
            return [large]
        ordered = [small, large] if is_easy else [large, small]
        return sorted(ordered, key=lambda one: not one.runs())

    def _of_new(self, small: Candidate | None, *, is_easy: bool) -> list[Candidate]:
        large = self._candidates.large
        ordered = [large]
        if small is not None and self._router is not None and small.runs():
            ordered.insert(0 if is_easy else 1, small)
        if self._candidates.elsewhere is not None:
            ordered.append(self._candidates.elsewhere)
        runs = large.runs()
        if runs:
            self._begun.seen.add(large.name)
        # One that was never seen may just start: its own wait for a slot tells whether it is gone.
        is_gone = not runs and large.name in self._begun.seen and not self._wakes
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
                if isinstance(err, _GONE) and not one.runs():
                    self._begun.seen.add(one.name)
                if begun:
                    raise
                if following is None or not self._goes_on(one, following, err, request):
                    raise self._told(one, err, request) from err
                logger.warning(
                    "request_id=%s goes from %s to %s, since %s",
                    request.request_id, one.name, following.name, code_of(err),
                )  # fmt: skip

    def _goes_on(
        self, failed: Candidate, following: Candidate, err: Exception, request: GenerationRequest
    ) -> bool:
        if request.identity is not None:  # what one has not begun the other may have
            is_down = isinstance(err, _GONE) and not failed.runs()
            return is_down or isinstance(err, ModelChangedError)
        return self._candidates.may_follow(failed, following, err)

    def _told(self, failed: Candidate, err: Exception, request: GenerationRequest) -> Exception:
        """Limits of the small one are no client's fault: it only stands in for the large one."""
        is_new = request.identity is None
        if failed is self._candidates.small and is_new and isinstance(err, _LIMITS):
            msg = f"{self._candidates.large.name} does not run, and {failed.name} cannot serve this"
            return StageUnavailableError(f"{msg}: {code_of(err)}")
        return err

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
