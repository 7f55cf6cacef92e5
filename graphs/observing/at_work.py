"""What every Gateway does now, asked of all of them only when somebody looks, and added up."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from graphs.observing.answers import AnswerState, RecentAnswers
from graphs.observing.moves import Move, RecentMoves, newest_moves

_ASK_S = 1.0
_MAX_ANSWERS = 50


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """The calls of some Gateways to one deployment: those that wait, and those at a replica."""

    waiting: int
    working: int


@dataclass(frozen=True, kw_only=True)
class AtWork:
    """What one Gateway, or all of them together, do.

    Attributes:
        gateway: an id of its own, which a new replica changes.
        answers: the last ones of all tenants, newest first.
        outcomes: how many answers ended in which way in the last five minutes.
        tokens_per_s: of the last minute.
        queues: by deployment, the calls to it.
        moves: of answers, newest first.
    """

    gateway: str
    answers: tuple[AnswerState, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    tokens_per_s: float = 0.0
    queues: Mapping[str, QueueState] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()


class OwnWork:
    """Gathers what this Gateway does.

    Args:
        recent: the last answers.
        queues: tells who waits for which deployment.
        moves: which answers have moved.
    """

    def __init__(
        self,
        recent: RecentAnswers,
        queues: Callable[[], Mapping[str, QueueState]],
        moves: RecentMoves,
    ) -> None:
        self._recent, self._queues, self._moves = recent, queues, moves
        self._gateway = uuid.uuid4().hex

    def now(self) -> AtWork:
        """Tells it; asks nobody."""
        return AtWork(
            gateway=self._gateway,
            answers=self._recent.latest(),
            outcomes=self._recent.outcomes(),
            tokens_per_s=self._recent.tokens_per_s(),
            queues=self._queues(),
            moves=self._moves.latest(),
        )


class AllWork:
    """What all Gateways do together.

    Moves that a Gateway has told stand when it does not answer any more; all else ends with it.

    Args:
        own: tells what this one does.
    """

    def __init__(self, own: Callable[[], AtWork]) -> None:
        self._own = own
        self._others: dict[str, AtWork] = {}
        self._moves: tuple[Move, ...] = ()

    async def ask(self) -> None:
        """Asks all Gateways; one that is slow is asked again with the next look."""
        try:
            handle = await asyncio.to_thread(_gateways)
            answers = handle.broadcast("at_work").results_async(return_exceptions=True)
            told = await asyncio.wait_for(answers, _ASK_S)
        except (RayError, RayServeException, RuntimeError, TimeoutError):
            told = []
        self.take(one for one in told if isinstance(one, AtWork))

    def take(self, told: Iterable[AtWork]) -> None:
        """Takes what Gateways have told, all that there are; this one may be among them."""
        self._others = {one.gateway: one for one in told}
        others = (move for one in self._others.values() for move in one.moves)
        self._moves = newest_moves((*self._moves, *others))

    def now(self) -> AtWork:
        """Adds up what was told last."""
        own = self._own()
        every = ({**self._others, own.gateway: own}).values()
        answers = sorted(
            (answer for one in every for answer in one.answers),
            key=lambda answer: answer.ended_at, reverse=True,
        )  # fmt: skip
        return AtWork(
            gateway=own.gateway,
            answers=tuple(answers[:_MAX_ANSWERS]),
            outcomes=sum((Counter(one.outcomes) for one in every), Counter[str]()),
            tokens_per_s=sum(one.tokens_per_s for one in every),
            queues=_added(one.queues for one in every),
            moves=newest_moves((*self._moves, *own.moves)),
        )


def _added(every: Iterable[Mapping[str, QueueState]]) -> Mapping[str, QueueState]:
    waiting, working = Counter[str](), Counter[str]()
    for queues in every:
        for name, one in queues.items():
            waiting[name] += one.waiting
            working[name] += one.working
    return {name: QueueState(waiting=waiting[name], working=working[name]) for name in working}


def _gateways() -> DeploymentHandle:
    """Gives the handle of this deployment, which Serve keeps; at first it asks the controller."""
    context = serve.get_replica_context()
    return serve.get_deployment_handle(context.deployment, context.app_name)
