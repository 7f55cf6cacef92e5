"""One generator before random questions: how long answers take, by a simulation of its steps.

Answers share the steps, each of which takes longer the more there are; a prompt that is read holds
up all others; who finds no slot waits. No closed formula gives the 95th percentile of that. As all
answers are of one length, they end in the order in which they began, so an event is an arrival or
an end, and thousands take milliseconds. The same questions come at every call.
"""

import random
from collections import deque
from dataclasses import dataclass

from cluster.planning.queues import GROWING, Latency

_ANSWERS = 6000
_WARM_UP = 300  # of these, that come to an idle generator


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What one generator does with answers of one length.

    Attributes:
        prefill_s: to read a prompt, in which nothing else goes on.
        answer_tokens: of each answer.
        step_s: of a step with one answer.
        step_s_per_answer: that each further answer adds.
        slots: answers at once.
    """

    prefill_s: float
    answer_tokens: int
    step_s: float
    step_s_per_answer: float
    slots: int

    @property
    def alone_s(self) -> float:
        """The time of an answer that is alone."""
        return self.prefill_s + self.answer_tokens * self.step_s

    @property
    def most_rate(self) -> float:
        """Answers a second with all slots taken."""
        steps_s = self.answer_tokens * self.step(self.slots)
        return self.slots / (steps_s + self.slots * self.prefill_s)

    def step(self, answers: int) -> float:
        """Seconds of one step."""
        return self.step_s + self.step_s_per_answer * (answers - 1)


def answering(speed: Speed, rate: float, *, users: int | None = None) -> Latency:
    """What random questions of this rate meet.

    Args:
        speed: of the generator.
        rate: questions a second.
        users: that ask at once; who has an answer under way does not ask. None: any number.
    """
    if rate >= speed.most_rate and users is None:
        return GROWING
    spent = _Simulated(speed, rate, users).run(_ANSWERS)
    return Latency.of(spent[_WARM_UP:])


class _Simulated:
    """The state: answers under way by the step at which they end, and who waits for a slot."""

    def __init__(self, speed: Speed, rate: float, users: int | None) -> None:
        self._speed, self._rate, self._users = speed, rate, users
        self._chance = random.Random(1)
        self._now, self._steps = 0.0, 0.0  # steps that were made since the beginning
        self._running: deque[tuple[float, float]] = deque()  # its last step, when it was asked
        self._waiting: deque[float] = deque()
        self._spent: list[float] = []

    def run(self, answers: int) -> list[float]:
        """Gives the times of so many answers, in the order in which they ended."""
        next_at = self._chance.expovariate(self._rate)
        while len(self._spent) < answers:
            ends_at = self._ends_at()
            is_full = self._users is not None and self._under_way() >= self._users
            if ends_at is not None and (is_full or ends_at <= next_at):
                self._end(ends_at)
                if is_full:  # nobody could ask till now, and chance has no memory
                    next_at = self._now + self._chance.expovariate(self._rate)
            else:
                self._go_to(next_at)
                self._waiting.append(next_at)
                next_at += self._chance.expovariate(self._rate)
            self._begin()
        return self._spent

    def _under_way(self) -> int:
        return len(self._running) + len(self._waiting)

    def _ends_at(self) -> float | None:
        if not self._running:
            return None
        left = self._running[0][0] - self._steps
        return self._now + left * self._speed.step(len(self._running))

    def _end(self, moment: float) -> None:
        last_step, asked_at = self._running.popleft()
        self._steps, self._now = last_step, moment
        self._spent.append(moment - asked_at)

    def _go_to(self, moment: float) -> None:
        """Lets steps go on until then; a prompt that is still read goes beyond it."""
        if moment > self._now:
            if self._running:
                self._steps += (moment - self._now) / self._speed.step(len(self._running))
            self._now = moment

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._speed.slots:
            asked_at = self._waiting.popleft()
            self._now += self._speed.prefill_s
            self._running.append((self._steps + self._speed.answer_tokens, asked_at))
