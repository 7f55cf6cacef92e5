"""Which passages of a store belong to which file, and which of them a search may find."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index.records import Attributes
from index.searching.attribute_columns import AccessColumn, AttributeColumns, Mask
from index.searching.filters import Filter
from index.searching.growing import GrowingArray

Ids = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]

Principals = frozenset[str] | None

_GONE = -1
_SPARE_ROWS = 1000
_FILE_BYTES = 250


@dataclass(frozen=True, eq=False)
class Allowed:
    """What a filter and the access lists let through: a mask by file key, and one by row."""

    files: Mask
    rows: Mask


class FileTable:
    """Names files by small numbers, `keys`, and passages by others, `rows`.

    The key of a file that is gone is given to another. The rows of a file are one range; new ones
    are always the greatest, and those of removed files stay empty until `compact`. Takes about 250
    bytes a file, 4 more for each attribute, and 12 a passage.
    """

    def __init__(self) -> None:
        self.num_passages = 0
        self._keys: dict[str, int] = {}
        self._free_keys: list[int] = []
        self._first_row = GrowingArray(np.int64)
        self._num_rows = GrowingArray(np.int32)
        self._chunk_ids = GrowingArray(np.int64)
        self._key_of_row = GrowingArray(np.int32)
        self._attributes = AttributeColumns()
        self._access = AccessColumn()
        self._last_allowed: tuple[Filter | None, Principals, Allowed] | None = None

    @property
    def chunk_ids(self) -> Ids:
        """The ids of all passages."""
        ids: Ids = self._chunk_ids.items[self._key_of_row.items != _GONE]
        return ids

    @property
    def num_rows(self) -> int:
        """How many rows there are; the next passage gets this one."""
        return len(self._chunk_ids)

    @property
    def num_bytes(self) -> int:
        """The memory that it takes, about."""
        of_rows = self._chunk_ids.num_bytes + self._key_of_row.num_bytes
        return of_rows + _FILE_BYTES * len(self._keys)

    def key_of(self, file_id: str) -> int | None:
        """The key of a file; None if the store has no passage of it."""
        return self._keys.get(file_id)

    def rows_of(self, key: int) -> Rows:
        """The rows of a file, ascending."""
        first = self._first_row.items[key]
        return np.arange(first, first + self._num_rows.items[key])

    def chunk_ids_of(self, key: int) -> Ids:
        """The ids of a file's passages, in their order."""
        return self._chunk_ids.items[self.rows_of(key)]

    def ids_of(self, rows: Rows) -> Ids:
        """The chunk ids of rows."""
        return self._chunk_ids.items[rows]

    def add(self, file_id: str, chunk_ids: Sequence[int]) -> int:
        """Takes in a new file.

        Returns:
            Its key.
        """
        key = self._free_keys.pop() if self._free_keys else len(self._first_row)
        first = len(self._chunk_ids)
        self._keys[file_id] = key
        for array in (self._first_row, self._num_rows):
            array.lengthen(key + 1)
        self._first_row.items[key] = first
        self._num_rows.items[key] = len(chunk_ids)
        self._chunk_ids.extend(chunk_ids)
        self._key_of_row.extend(np.full(len(chunk_ids), key))
        self.num_passages += len(chunk_ids)
        self._last_allowed = None
        return key

    def remove(self, file_id: str) -> None:
        """Forgets a file and its passages."""
        key = self._keys.pop(file_id)
        rows = self.rows_of(key)
        self._key_of_row.items[rows] = _GONE
        self._num_rows.items[key] = 0
        self._free_keys.append(key)
        self.describe(key, {}, None)
        self.num_passages -= len(rows)

    def describe(self, key: int, attributes: Attributes, access: str | None) -> None:
        """Replaces what filters see of a file, and who may see it."""
        self._attributes.set(key, attributes)
        self._access.set(key, access)
        self._last_allowed = None

    def allowed(self, wanted: Filter | None, principals: Principals) -> Allowed | None:
        """What a filter and the access lists let through; None: everything.

        Asked again with the same filter object and principals, it answers at once.

        Args:
            wanted: the filter, if there is one.
            principals: as whom access lists are asked; None: they let in everything.
        """
        asked = principals if self._access.has_lists else None
        if wanted is None and asked is None:
            return None
        last = self._last_allowed
        if last is not None and last[0] is wanted and last[1] == asked:
            return last[2]
        num_keys = len(self._first_row)
        files = np.ones(num_keys, np.bool_)
        if wanted is not None:
            files &= self._attributes.passing(wanted, num_keys)
        if asked is not None:
            files &= self._access.admitting(asked, num_keys)
        of_rows = np.append(files, False)  # the last, at -1, stands for what is gone
        allowed = Allowed(files, of_rows[self._key_of_row.items])
        self._last_allowed = (wanted, asked, allowed)
        return allowed

    @property
    def is_sparse(self) -> bool:
        """Whether more rows are empty than not."""
        return len(self._chunk_ids) > 2 * self.num_passages + _SPARE_ROWS

    def compact(self) -> Rows:
        """Numbers the rows anew, without the empty ones and in the same order.

        Returns:
            The old number of each new row.
        """
        kept = np.flatnonzero(self._key_of_row.items != _GONE)
        moved = np.cumsum(self._key_of_row.items != _GONE)
        in_use = self._num_rows.items > 0
        first = self._first_row.items
        first[in_use] = moved[first[in_use]] - 1
        self._chunk_ids.replace(self._chunk_ids.items[kept])
        self._key_of_row.replace(self._key_of_row.items[kept])
        self._last_allowed = None
        return kept
