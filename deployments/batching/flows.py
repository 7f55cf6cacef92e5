"""Whose turn it is among calls of several weights, as classes of service have them."""

from collections.abc import Collection


class Flows:
    """Weighted fair queueing (doi.org/10.1145/75247.75248) of work that costs more or less.

    Each flow has a clock, which work of cost c moves on by c / weight; the flow whose clock is
    behind goes next. So flows that all have work get shares as their weights are, and none
    starves. One that was away starts at the clock of those that wait: it cannot save up turns.
    """

    def __init__(self) -> None:
        self._clocks: dict[float, float] = {}

    def join(self, weight: float, waiting: Collection[float]) -> None:
        """Lets work of a weight in.

        Args:
            weight: above 0; the name of its flow, too.
            waiting: the flows that have work.
        """
        if weight not in waiting:
            behind = min((self._clocks[one] for one in waiting), default=0.0)
            self._clocks[weight] = max(self._clocks.get(weight, 0.0), behind)

    def count(self, weight: float, cost: float) -> None:
        """Moves the clock of a flow on."""
        self._clocks[weight] += cost / weight

    def clock(self, weight: float) -> float:
        """Gives the clock of a flow: the lowest goes next."""
        return self._clocks[weight]

    def clear(self) -> None:
        """Forgets all turns, where nobody waits."""
        self._clocks.clear()
