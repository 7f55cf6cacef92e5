"""What the catalog keeps of batches: plain, frozen, picklable.

Results are lines of JSON that whoever answers writes; the catalog only puts them together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

BatchEnd = Literal["completed", "failed", "expired", "cancelled"]
BatchStatus = Literal["validating", "in_progress", "cancelling"] | BatchEnd
UNFINISHED_BATCH: tuple[BatchStatus, ...] = ("validating", "in_progress", "cancelling")


@dataclass(frozen=True, kw_only=True)
class BatchFault:
    """Why a batch cannot be worked on.

    Attributes:
        line: of the input file, from 1; None: it is no fault of a line.
        param: the field at fault.
    """

    code: str
    message: str
    line: int | None = None
    param: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewBatch:
    """A batch as it is asked for.

    Attributes:
        tenant: whose it is; nobody else sees it.
        key_id: the public name of the key that it was asked with.
        window_s: what is not answered after so many seconds is not answered any more.
        output_life_s: for how long its files are kept; None: until they are deleted.
        public_url: under which URL it was asked for, and links in its replies lead; None: unknown.
    """

    tenant: str
    key_id: str
    endpoint: str
    input_file_id: str
    window_s: int
    metadata: Mapping[str, str] | None = None
    output_life_s: int | None = None
    public_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class BatchRecord(NewBatch):
    """A batch as it is kept.

    Attributes:
        times: when it came into each status, and when it `finalizing`.
        model: that of its first line; None: not read yet.
        num_total: its lines; 0: not counted yet.
        num_completed: lines that were answered.
        num_failed: lines that got an error.
        attempt: counts those who worked on it, from 1; who is not the newest is refused.
    """

    id: str
    created_at: int
    expires_at: int
    status: BatchStatus
    times: Mapping[str, int]
    faults: tuple[BatchFault, ...]
    model: str | None
    output_file_id: str | None
    error_file_id: str | None
    num_total: int
    num_completed: int
    num_failed: int
    num_input_tokens: int
    num_output_tokens: int
    attempt: int


@dataclass(frozen=True, kw_only=True)
class LineResult:
    """What became of one line.

    Attributes:
        number: of the line in the input file, from 1.
        is_error: which of the two files it goes into.
        is_left: whether it was never answered, since the batch had to end.
        data: one line of JSON, in ASCII.
    """

    number: int
    is_error: bool
    data: str
    is_left: bool = False
    num_input_tokens: int = 0
    num_output_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class BatchProgress:
    """Which lines have a result, and how large all results are together."""

    numbers: frozenset[int]
    num_bytes: int
