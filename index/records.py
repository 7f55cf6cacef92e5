"""The data that the corpus exchanges with its callers: plain, frozen, picklable.

Not the tables (schema.py) and not the HTTP shapes (graphs/). Times are whole unix seconds, and
`access` says who may see something (access.py).
"""

import hashlib
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from index.errors import InvalidChunkingError

Attributes = dict[str, str | float | bool]
Vectors = npt.NDArray[np.float32]
Order = Literal["asc", "desc"]
StoreFileStatus = Literal["in_progress", "completed", "failed", "cancelled"]
IngestErrorCode = Literal["server_error", "unsupported_file", "invalid_file"]

# Clients may ask for no fewer than OpenAI's 100 (see vector_store_schema.py). Who runs the server
# may: the passages that a small generator reads are of 48 tokens (local.yaml).
MIN_CHUNK_TOKENS = 1
MAX_CHUNK_TOKENS = 4096  # OpenAI's bound for a static chunking strategy
MAX_BATCH_FILES = 2000  # OpenAI's bound for the files of one batch

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list; `has_more` says whether another follows."""

    items: tuple[T, ...]
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """An uploaded file without its bytes."""

    id: str
    filename: str
    purpose: str
    num_bytes: int
    sha256: str
    created_at: int
    expires_at: int | None
    status: str = "processed"
    access: str | None = None


@dataclass(frozen=True, kw_only=True)
class Chunking:
    """How a file is cut: sizes in tokens of the embedder.

    Raises:
        InvalidChunkingError: a size is out of bounds, or the overlap exceeds half of a chunk.
    """

    max_chunk_tokens: int
    chunk_overlap_tokens: int = 0

    def __post_init__(self) -> None:
        if not MIN_CHUNK_TOKENS <= self.max_chunk_tokens <= MAX_CHUNK_TOKENS:
            raise InvalidChunkingError(
                f"max_chunk_tokens must be in {MIN_CHUNK_TOKENS}..{MAX_CHUNK_TOKENS}, "
                f"got {self.max_chunk_tokens}"
            )
        if not 0 <= self.chunk_overlap_tokens <= self.max_chunk_tokens // 2:
            raise InvalidChunkingError(
                f"chunk_overlap_tokens must be in 0..{self.max_chunk_tokens // 2} (half a chunk), "
                f"got {self.chunk_overlap_tokens}"
            )


@dataclass(frozen=True, kw_only=True)
class FileCounts:
    """How many files of a vector store, or of a batch, are in which state."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All files, whatever their state."""
        return self.in_progress + self.completed + self.failed + self.cancelled


@dataclass(frozen=True, kw_only=True)
class StoreRecord:
    """A vector store: a named set of files that is searched together.

    `fingerprint` names the embedder of its vectors (None while it holds none); `chunking` None
    means that the server chooses; `expired` was judged at the moment of reading.
    """

    id: str
    name: str
    description: str | None
    metadata: dict[str, str]
    created_at: int
    last_active_at: int
    expires_after_days: int | None
    expires_at: int | None
    expired: bool
    usage_bytes: int
    file_counts: FileCounts
    chunking: Chunking | None
    fingerprint: str | None
    access: str | None = None

    @property
    def status(self) -> Literal["completed", "in_progress", "expired"]:
        """The state of the store as a client sees it."""
        if self.expired:
            return "expired"
        return "in_progress" if self.file_counts.in_progress else "completed"


@dataclass(frozen=True, kw_only=True)
class OpenStores:
    """The stores that a search is of, found by their names.

    Attributes:
        ids: each store once, in the order in which they were asked for.
        head: the number of the last change when they were found: what the search must know of.
    """

    ids: tuple[str, ...]
    head: int


@dataclass(frozen=True, kw_only=True)
class StoreFileRecord:
    """A file inside one vector store."""

    file_id: str
    store_id: str
    filename: str
    status: StoreFileStatus
    error_code: IngestErrorCode | None
    error_message: str | None
    attributes: Attributes
    usage_bytes: int
    created_at: int
    chunking: Chunking | None
    access: str | None = None


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file to be put into a vector store.

    `attributes` None leaves a file that is there already those it has; `chunking` None means that
    the store, else the server, chooses.
    """

    file_id: str
    attributes: Attributes | None = None
    chunking: Chunking | None = None


@dataclass(frozen=True, kw_only=True)
class FileBatchRecord:
    """Files that were put into a vector store together.

    The counts are of files that still belong to it, not of those that left or were attached again.
    `cancelled`: a cancellation stopped at least one file; none is in progress after that.
    """

    id: str
    store_id: str
    created_at: int
    cancelled: bool
    file_counts: FileCounts

    @property
    def status(self) -> Literal["in_progress", "completed", "cancelled", "failed"]:
        """The state of the batch as a client sees it; it failed if no file did better."""
        if self.cancelled:
            return "cancelled"
        if self.file_counts.in_progress:
            return "in_progress"
        return "failed" if 0 < self.file_counts.failed == self.file_counts.total else "completed"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A claimed ingestion: parse, chunk and embed `file_id` for `store_id`.

    `attempt` counts the claims of this job. It is the fencing token: a report with an older attempt
    is refused, however late it comes. `chunking` is the file's own, else the store's, else None.
    """

    id: int
    store_id: str
    file_id: str
    filename: str
    chunking: Chunking | None
    worker: str
    attempt: int
    lease_until: float
    tenant: str = "default"


class Titled(Protocol):
    """A passage, at whatever stage of its life."""

    @property
    def title(self) -> str:
        """The heading path."""

    @property
    def text(self) -> str:
        """The passage."""


def titled_text(passage: Titled) -> str:
    """Writes a passage as embedder, BM25 and reranker read it: its title, then its text."""
    return f"{passage.title}\n{passage.text}"


def content_hash(passage: Titled) -> str:
    """Names what an embedder sees of a passage: SHA-256 of its title and text, in hex."""
    return hashlib.sha256(titled_text(passage).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ChunkDraft:
    """A passage cut from a document, before it is embedded and stored.

    `text` is its span `char_start:char_end` in the document's plain text; `title` is the heading
    path, joined by " > "; `ordinal` counts the passages of the document from 0.
    """

    text: str
    title: str
    char_start: int
    char_end: int
    ordinal: int
    page: int | None = None


@dataclass(frozen=True, kw_only=True)
class StoredPassage:
    """A stored chunk, without its vector."""

    chunk_id: int
    store_id: str
    file_id: str
    filename: str
    title: str
    text: str
    char_start: int
    char_end: int
    page: int | None = None


@dataclass(frozen=True, kw_only=True)
class FoundPassage:
    """A stored chunk with what a hit shows beside it.

    `attributes` and `access` are of its file. Where asked for, else empty and None: `around`, the
    passage with its neighbours, `context`, their text, and `vector`, float32, (dim,), unit L2 norm.
    """

    passage: StoredPassage
    attributes: Attributes
    access: str | None = None
    around: tuple[StoredPassage, ...] = ()
    context: str = ""
    vector: Vectors | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One entry of the change log: what a file of a store holds from this number on.

    An upsert carries all passages and attributes of the file and replaces what was known of it. A
    delete carries none. Both are read as they are now, so a file deleted since then is a delete
    already. A switch is of no file: it tells that `fingerprint` is the embedder of the store now.
    `vectors`: float32, (n_passages, dim), unit L2 norm, in the order of `passages`.
    """

    number: int
    kind: Literal["upsert", "delete", "switch"]
    store_id: str
    file_id: str
    filename: str = ""
    attributes: Attributes = field(default_factory=dict)
    access: str | None = None
    fingerprint: str = ""
    passages: tuple[StoredPassage, ...] = ()
    vectors: Vectors = field(
        default_factory=lambda: np.empty((0, 0), np.float32), compare=False, repr=False
    )
