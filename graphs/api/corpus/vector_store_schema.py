"""What the vector store routes accept (schemas) and give (OpenAI's objects)."""

from typing import Annotated, Any, Literal

from openai.types.static_file_chunking_strategy import StaticFileChunkingStrategy
from openai.types.static_file_chunking_strategy_object import StaticFileChunkingStrategyObject
from openai.types.vector_store import ExpiresAfter as ExpiresAfterObject
from openai.types.vector_store import FileCounts, VectorStore
from openai.types.vector_stores.vector_store_file import LastError, VectorStoreFile
from openai.types.vector_stores.vector_store_file_batch import FileCounts as BatchFileCounts
from openai.types.vector_stores.vector_store_file_batch import VectorStoreFileBatch
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from graphs.api.border.bodies.strict_json import ClosedModel, RequestModel
from graphs.api.corpus.access_lists import AccessList, access_object
from graphs.api.corpus.filters import FilterSpec
from graphs.api.errors import BadRequestError
from graphs.config import Mode
from index.catalog.attributes import MAX_KEY_CHARS, MAX_KEYS, MAX_VALUE_CHARS
from index.errors import InvalidChunkingError
from index.records import (
    MAX_BATCH_FILES,
    MAX_CHUNK_TOKENS,
    Attachment,
    Chunking,
    FileBatchRecord,
    StoreFileRecord,
    StoreRecord,
)

# OpenAI's bound for clients; the corpus itself takes less, see index.records.MIN_CHUNK_TOKENS.
MIN_CLIENT_CHUNK_TOKENS = 100


def _refuse_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("invalid_text", "must not contain the character NUL")
    return text


# What is stored must fit every database: PostgreSQL holds no NUL in a text.
StoredText = Annotated[str, AfterValidator(_refuse_nul)]
Name = Annotated[StoredText, Field(max_length=256)]
Description = Annotated[StoredText, Field(max_length=512)]
Key = Annotated[StoredText, Field(min_length=1, max_length=MAX_KEY_CHARS)]
Value = Annotated[StoredText, Field(max_length=MAX_VALUE_CHARS)]
Metadata = Annotated[dict[Key, Value], Field(max_length=MAX_KEYS)]
AttributeMap = Annotated[dict[Key, Value | float | bool], Field(max_length=MAX_KEYS)]
FileIds = Annotated[list[str], Field(max_length=500)]


class ExpiresAfter(RequestModel):
    """When an unused store goes."""

    anchor: Literal["last_active_at"]
    days: int = Field(ge=1, le=365)


class AutoChunking(RequestModel):
    """The server chooses."""

    type: Literal["auto"]


class StaticChunks(RequestModel):
    """Sizes in tokens of the embedder."""

    max_chunk_size_tokens: int = Field(ge=MIN_CLIENT_CHUNK_TOKENS, le=MAX_CHUNK_TOKENS)
    chunk_overlap_tokens: int = Field(ge=0)


class StaticChunking(RequestModel):
    """The client chooses."""

    type: Literal["static"]
    static: StaticChunks


def _check_sizes(strategy: AutoChunking | StaticChunking) -> AutoChunking | StaticChunking:
    try:
        chunking_of(strategy)
    except InvalidChunkingError as err:
        raise PydanticCustomError(err.code, "{reason}", {"reason": str(err)}) from err
    return strategy


ChunkingStrategy = Annotated[
    AutoChunking | StaticChunking, Field(discriminator="type"), AfterValidator(_check_sizes)
]


class CreateStoreBody(RequestModel):
    """A new vector store."""

    name: Name | None = None
    description: Description | None = None
    file_ids: FileIds | None = None
    expires_after: ExpiresAfter | None = None
    chunking_strategy: ChunkingStrategy | None = None
    metadata: Metadata | None = None
    access: AccessList | None = None


class ModifyStoreBody(RequestModel):
    """Changes to a vector store; what is not sent stays."""

    name: Name | None = None
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None
    access: AccessList | None = None


class AttachFileBody(RequestModel):
    """A file to be put into a store."""

    file_id: str
    attributes: AttributeMap | None = None
    chunking_strategy: ChunkingStrategy | None = None


BatchIds = Annotated[list[str], Field(min_length=1, max_length=MAX_BATCH_FILES)]
BatchFiles = Annotated[list[AttachFileBody], Field(min_length=1, max_length=MAX_BATCH_FILES)]


class CreateFileBatchBody(RequestModel):
    """Files to be put into a store together.

    `file_ids` share what stands beside them; `files` each bring their own.
    """

    file_ids: BatchIds | None = None
    files: BatchFiles | None = None
    attributes: AttributeMap | None = None
    chunking_strategy: ChunkingStrategy | None = None

    def attachments(self) -> tuple[Attachment, ...]:
        """The files to attach; OpenAI's API ignores the shared fields beside `files`.

        Raises:
            BadRequestError: both lists were sent, or neither.
        """
        if self.file_ids is not None and self.files is not None:
            msg = "files and file_ids exclude each other: send one of them"
            raise BadRequestError(msg, param="files")
        if self.files is not None:
            return tuple(map(attachment_of, self.files))
        if self.file_ids is None:
            msg = "file_ids or files is required"
            raise BadRequestError(msg, param="file_ids", code="missing_required_parameter")
        chunking = chunking_of(self.chunking_strategy)
        return tuple(
            Attachment(file_id=file_id, attributes=self.attributes, chunking=chunking)
            for file_id in self.file_ids
        )


class ModifyFileBody(RequestModel):
    """New attributes of a file in a store; null means none."""

    attributes: AttributeMap | None


class RankingOptions(ClosedModel):
    """How results are ordered: "none" leaves the fused order, none given means the server's own."""

    ranker: Literal["none", "auto", "default-2024-11-15"] | None = None
    score_threshold: float | None = Field(default=None, ge=0, le=1)


def _refuse_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("invalid_value", "must not be blank")
    return text


Query = Annotated[str, AfterValidator(_refuse_blank)]


class SearchOptions(ClosedModel):
    """Our extension: how this search finds its candidates; null means as configured."""

    mode: Mode | None = None


class SearchBody(RequestModel):
    """A search in one store."""

    query: Query | Annotated[list[Query], Field(min_length=1, max_length=16)]
    max_num_results: int = Field(10, ge=1, le=50)
    filters: FilterSpec | None = None
    rewrite_query: bool | None = None
    ranking_options: RankingOptions | None = None
    rag: SearchOptions | None = None


def chunking_of(strategy: AutoChunking | StaticChunking | None) -> Chunking | None:
    """Gives the sizes that a client chose; None leaves them to the server."""
    if not isinstance(strategy, StaticChunking):
        return None
    return Chunking(
        max_chunk_tokens=strategy.static.max_chunk_size_tokens,
        chunk_overlap_tokens=strategy.static.chunk_overlap_tokens,
    )


def attachment_of(body: AttachFileBody) -> Attachment:
    """Gives what the corpus is told of a file."""
    return Attachment(
        file_id=body.file_id,
        attributes=body.attributes,
        chunking=chunking_of(body.chunking_strategy),
    )


def store_object(record: StoreRecord) -> VectorStore:
    """Makes OpenAI's object of a store, with its `description` and `access` beside."""
    listed = access_object(record.access)
    counts, days = record.file_counts, record.expires_after_days
    expires_after = None if days is None else ExpiresAfterObject(anchor="last_active_at", days=days)
    return VectorStore.model_validate(
        {
            "id": record.id,
            "object": "vector_store",
            "created_at": record.created_at,
            "name": record.name,
            "description": record.description,
            "usage_bytes": record.usage_bytes,
            "file_counts": FileCounts(
                in_progress=counts.in_progress,
                completed=counts.completed,
                failed=counts.failed,
                cancelled=counts.cancelled,
                total=counts.total,
            ),
            "status": record.status,
            "expires_after": expires_after,
            "expires_at": record.expires_at,
            "last_active_at": record.last_active_at,
            "metadata": record.metadata,
            **({} if listed is None else {"access": listed}),
        }
    )


def store_file_object(record: StoreFileRecord) -> VectorStoreFile:
    """Makes OpenAI's object of a file in a store, with its `filename` and `access` beside."""
    error = None
    if record.error_code is not None:
        error = LastError(code=record.error_code, message=record.error_message or "")
    listed = access_object(record.access)
    beside: dict[str, Any] = {"filename": record.filename}
    if listed is not None:
        beside["access"] = listed
    if record.chunking is not None:
        sizes = StaticFileChunkingStrategy(
            max_chunk_size_tokens=record.chunking.max_chunk_tokens,
            chunk_overlap_tokens=record.chunking.chunk_overlap_tokens,
        )
        beside["chunking_strategy"] = StaticFileChunkingStrategyObject(type="static", static=sizes)
    return VectorStoreFile(
        id=record.file_id,
        object="vector_store.file",
        usage_bytes=record.usage_bytes,
        created_at=record.created_at,
        vector_store_id=record.store_id,
        status=record.status,
        last_error=error,
        attributes=record.attributes,
        **beside,
    )


def file_batch_object(record: FileBatchRecord) -> VectorStoreFileBatch:
    """Makes OpenAI's object of a batch of files."""
    counts = record.file_counts
    return VectorStoreFileBatch(
        id=record.id,
        object="vector_store.files_batch",
        created_at=record.created_at,
        vector_store_id=record.store_id,
        status=record.status,
        file_counts=BatchFileCounts(
            in_progress=counts.in_progress,
            completed=counts.completed,
            failed=counts.failed,
            cancelled=counts.cancelled,
            total=counts.total,
        ),
    )
