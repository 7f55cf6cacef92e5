"""The attributes of a store's files by column, so that a filter is answered for all at once."""

from collections.abc import Iterable
from operator import ge, gt, le, lt

import numpy as np
import numpy.typing as npt

from index.access import principals_of
from index.records import Attributes
from index.searching.filters import Comparison, Filter, Value, matches
from index.searching.growing import GrowingArray

Mask = npt.NDArray[np.bool_]

_EXACT = 2**53  # greater integers have no float64 of their own
_ORDER = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_SPARE_VALUES = 1000


class AttributeColumns:
    """What filters say of files; equal to `filters.matches` on the attributes of each.

    A file is known by a small number, its key. Each attribute is a column of 4 bytes a file: the
    number of its value among the different ones. Over 100,000 files a comparison takes about 0.2 ms
    where asking file by file takes 100 ms; only ordering strings looks at every different value.
    """

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}

    def set(self, key: int, attributes: Attributes) -> None:
        """Replaces the attributes of a file."""
        for name in attributes.keys() - self._columns.keys():
            self._columns[name] = _Column(name)
        for name, column in self._columns.items():
            column.set(key, attributes.get(name))

    def passing(self, wanted: Filter, num_keys: int) -> Mask:
        """Whether each file with a key below `num_keys` passes; bool, (num_keys,)."""
        if isinstance(wanted, Comparison):
            column = self._columns.get(wanted.key) or _Column(wanted.key)
            return column.passing(wanted, num_keys)
        combine = np.logical_and if wanted.type == "and" else np.logical_or
        parts = (self.passing(part, num_keys) for part in wanted.filters)
        passing = next(parts)
        for part in parts:
            combine(passing, part, out=passing)
        return passing


class _Column:
    """The values of one attribute; number 0 stands for a file without it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers = GrowingArray(np.int32)
        self._start([None])

    def set(self, key: int, value: Value | None) -> None:
        self._numbers.lengthen(key + 1)
        self._numbers.items[key] = self._number(value)
        if len(self._values) > self._most_values:
            self._forget_unused()

    def passing(self, wanted: Comparison, num_keys: int) -> Mask:
        self._numbers.lengthen(num_keys)
        verdicts = self._verdicts(wanted)
        passing: Mask = verdicts[self._numbers.items[:num_keys]]
        return passing

    def _verdicts(self, wanted: Comparison) -> Mask:
        """What the comparison says of each different value."""
        if wanted.type in ("eq", "ne", "in", "nin"):
            asked = wanted.value if isinstance(wanted.value, tuple) else (wanted.value,)
            equal = np.zeros(len(self._values), np.bool_)
            equal[[self._known[typed] for typed in map(_typed, asked) if typed in self._known]] = 1
            return equal if wanted.type in ("eq", "in") else ~equal
        if self._is_exact and isinstance(wanted.value, int | float) and abs(wanted.value) <= _EXACT:
            ordered: Mask = _ORDER[wanted.type](self._floats.items, wanted.value)
            return ordered
        one_by_one = (
            value is not None and matches(wanted, {self._name: value}) for value in self._values
        )
        return np.fromiter(one_by_one, np.bool_, len(self._values))

    def _number(self, value: Value | None) -> int:
        if value is None:
            return 0
        number = self._known.setdefault(_typed(value), len(self._values))
        if number == len(self._values):
            self._values.append(value)
            self._floats.extend([self._as_float(value)])
        return number

    def _as_float(self, value: Value | None) -> float:
        """A number as it is ordered; what is none is before and after nothing."""
        if value is None or isinstance(value, bool | str):
            return np.nan
        if isinstance(value, int) and abs(value) > _EXACT:
            self._is_exact = False
            return np.nan
        return float(value)

    def _forget_unused(self) -> None:
        used, numbers = np.unique(np.append(self._numbers.items, 0), return_inverse=True)
        self._start([self._values[number] for number in used])
        self._numbers.items[:] = numbers[:-1]

    def _start(self, values: Iterable[Value | None]) -> None:
        self._values = list(values)
        self._most_values = 2 * len(self._values) + _SPARE_VALUES
        self._is_exact = True
        self._floats = GrowingArray(np.float64)
        self._floats.extend([self._as_float(value) for value in self._values])
        self._known = {
            _typed(value): number for number, value in enumerate(self._values) if value is not None
        }


class AccessColumn(_Column):
    """The access lists of files; most files share a few."""

    def __init__(self) -> None:
        super().__init__("access")

    @property
    def has_lists(self) -> bool:
        """Whether any file has one."""
        return len(self._values) > 1

    def admitting(self, principals: frozenset[str], num_keys: int) -> Mask:
        """Whether each file with a key below `num_keys` lets one of them in; bool, (num_keys,)."""
        self._numbers.lengthen(num_keys)
        verdicts = [
            value is None or not principals.isdisjoint(principals_of(str(value)))
            for value in self._values
        ]
        admitted: Mask = np.array(verdicts, np.bool_)[self._numbers.items[:num_keys]]
        return admitted


def _typed(value: Value) -> tuple[bool, Value]:
    """Equal for what a filter calls equal: Python takes True for 1, a filter does not."""
    return isinstance(value, bool), value
