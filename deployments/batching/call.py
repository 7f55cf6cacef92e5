"""One caller's call at a model, and which of them goes first."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(kw_only=True, eq=False)
class Call(Generic[Item, Result]):
    """The items of one caller, and how far they are."""

    number: int
    items: Sequence[Item]
    costs: Sequence[int]
    cost_left: int
    weight: float
    is_urgent: bool
    is_long: bool
    came_at: float
    answer: "asyncio.Future[list[Result]]"
    results: list[Result] = field(default_factory=list)
    num_taken: int = 0
    last_taken: int = 0

    @property
    def waits(self) -> bool:
        """Whether somebody waits for items that no batch has taken."""
        return self.num_taken < len(self.items) and not self.answer.done()

    def take(self, moment: int) -> Item:
        """Gives the next item to a batch."""
        item = self.items[self.num_taken]
        self.cost_left -= self.costs[self.num_taken]
        self.num_taken += 1
        self.last_taken = moment
        return item

    def add(self, results: Iterable[Result]) -> None:
        """Takes the results of the items that were taken last, and ends with the last of all."""
        self.results += results
        if len(self.results) == len(self.items) and not self.answer.done():
            self.answer.set_result(self.results)

    def fail(self, error: Exception) -> None:
        """Raises an error at the caller."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Rank(NamedTuple):
    """The lower goes first; between weights `kind` alone decides, and then whose turn it is."""

    kind: int
    within: int


def need(call: Call[Item, Result]) -> Rank:
    """Ranks short calls by what they have left, and long ones after them by whose turn it is."""
    within = call.last_taken if call.is_long else call.cost_left
    return Rank(0 if call.is_urgent else 2 if call.is_long else 1, within)


def age(call: Call[Item, Result]) -> Rank:
    """Ranks calls by their age."""
    return Rank(0 if call.is_urgent else 1, call.number)
