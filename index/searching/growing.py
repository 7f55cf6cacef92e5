"""An array that grows at its end, for what is kept of each passage or file."""

from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)
_SPARE = 0.25  # of its length; adding n items one by one copies about 5 n


class GrowingArray(Generic[Scalar]):
    """One dimension; takes as many bytes an item as its type, and up to a quarter more.

    Args:
        dtype: the type of the items.
        fill: what items are that were never set.
    """

    def __init__(self, dtype: type[Scalar], fill: Any = 0) -> None:
        self._fill = fill
        self._items: npt.NDArray[Scalar] = np.empty(0, dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def num_bytes(self) -> int:
        """The memory that it takes, with what is spare."""
        return self._items.nbytes

    @property
    def items(self) -> npt.NDArray[Scalar]:
        """All items; a view that is good until the array changes its length."""
        return self._items[: self._size]

    def extend(self, items: npt.ArrayLike) -> None:
        """Adds items at the end."""
        added = np.asarray(items, self._items.dtype)
        start = self._size
        self.lengthen(start + len(added))
        self._items[start : self._size] = added

    def lengthen(self, size: int) -> None:
        """Makes it at least this long."""
        if size > len(self._items):
            grown = np.full(int(size * (1 + _SPARE)) + 8, self._fill, self._items.dtype)
            grown[: self._size] = self.items
            self._items = grown
        self._size = max(size, self._size)

    def replace(self, items: npt.NDArray[Scalar]) -> None:
        """Holds these items from now on."""
        self._items = items
        self._size = len(items)
