"""What the routes need of the corpus: methods of index.catalog.catalog.ClientCatalog, awaited.

Names, arguments, records and errors are the same as there: graphs/corpus_client.py takes them from
there, so mypy sees where the two differ. The parts are small and tell reading from writing, so that
who needs a part can ask for just that.

    Corpora --of(caller)--> Corpus = Reads  (files, stores, store files, batches)
                                   + Writes (files, stores, store files, batches)
                                   + those of graphs/corpus/answers.py (responses, conversations,
                                                                         feedback)
                                   + those of graphs/corpus/batches.py (batches of requests)
                                   + those of graphs/corpus/keys.py (API keys)
                                   + those of graphs/accounts/store.py (usage, quotas, audit)
"""

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Protocol

from graphs.accounts.store import AccountStore
from graphs.caller import Caller
from graphs.corpus.answers import AnswerReads, AnswerWrites
from graphs.corpus.batches import BatchReads, BatchWrites
from graphs.corpus.keys import KeyReads, KeyWrites, TenantWrites
from index.catalog.uploads import UploadPartRecord, UploadRecord
from index.records import (
    Attachment,
    Attributes,
    Chunking,
    FileBatchRecord,
    FileRecord,
    Order,
    Page,
    StoredPassage,
    StoreFileRecord,
    StoreFileStatus,
    StoreRecord,
)


class FileReads(Protocol):
    """Reads uploaded files."""

    async def get_file(self, file_id: str) -> FileRecord:
        """Gives the record of a file."""

    async def list_files(
        self,
        *,
        purpose: str | None = None,
        limit: int = 10_000,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
    ) -> Page[FileRecord]:
        """Gives one page of the files."""

    async def file_content(self, file_id: str) -> bytes:
        """Gives the bytes of a file."""


class FileWrites(Protocol):
    """Writes uploaded files."""

    async def create_file(
        self,
        *,
        filename: str,
        purpose: str,
        data: bytes,
        expires_after_s: int | None = None,
        access: str | None = None,
    ) -> FileRecord:
        """Stores an upload; on return it is durable."""

    async def set_file_access(self, file_id: str, access: str | None) -> FileRecord:
        """Says anew who of the tenant may see a file."""

    async def delete_file(self, file_id: str) -> None:
        """Deletes a file, and all that stores hold of it."""


class UploadWrites(Protocol):
    """Uploads files in parts."""

    async def create_upload(
        self,
        *,
        filename: str,
        purpose: str,
        num_bytes: int,
        file_expires_after_s: int | None,
        access: str | None = None,
    ) -> UploadRecord:
        """Begins an upload."""

    async def add_upload_part(self, upload_id: str, data: bytes) -> UploadPartRecord:
        """Keeps a part; on return it is durable."""

    async def complete_upload(
        self, upload_id: str, part_ids: Sequence[str], *, md5: str | None = None
    ) -> UploadRecord:
        """Makes a file of the parts."""

    async def cancel_upload(self, upload_id: str) -> UploadRecord:
        """Gives an upload up."""


class StoreReads(Protocol):
    """Reads vector stores."""

    async def get_store(self, store_id: str) -> StoreRecord:
        """Gives the record of a store."""

    async def find_store(self, name_or_id: str) -> StoreRecord:
        """Gives the store with this id, else the oldest with this name."""

    async def list_stores(
        self,
        *,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
    ) -> Page[StoreRecord]:
        """Gives one page of the stores."""


class StoreWrites(Protocol):
    """Writes vector stores."""

    async def create_store(  # noqa: PLR0913 - one argument a field
        self,
        *,
        name: str,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        chunking: Chunking | None = None,
        expires_after_days: int | None = None,
        file_ids: Sequence[str] = (),
        access: str | None = None,
    ) -> StoreRecord:
        """Creates a store with these files."""

    async def update_store(
        self,
        store_id: str,
        *,
        name: str | EllipsisType = ...,
        metadata: Mapping[str, str] | EllipsisType = ...,
        expires_after_days: int | EllipsisType | None = ...,
        access: str | EllipsisType | None = ...,
    ) -> StoreRecord:
        """Changes what is given; `...` leaves it as it is."""

    async def delete_store(self, store_id: str) -> None:
        """Deletes a store; the uploads stay."""


class StoreFileReads(Protocol):
    """Reads the files inside a vector store."""

    async def get_store_file(self, store_id: str, file_id: str) -> StoreFileRecord:
        """Gives the state of a file in a store."""

    async def list_store_files(
        self,
        store_id: str,
        *,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
        status: StoreFileStatus | None = None,
    ) -> Page[StoreFileRecord]:
        """Gives one page of the files of a store."""

    async def store_file_text(self, store_id: str, file_id: str) -> tuple[str, ...]:
        """Gives the texts of a file's passages, in the order of the document."""

    async def store_file_passages(self, store_id: str, file_id: str) -> tuple[StoredPassage, ...]:
        """Gives a file's passages with where they stand, in the order of the document."""


class StoreFileWrites(Protocol):
    """Writes the files inside a vector store."""

    async def attach_file(
        self,
        store_id: str,
        file_id: str,
        *,
        attributes: Attributes | None = None,
        chunking: Chunking | None = None,
    ) -> StoreFileRecord:
        """Adds a file to a store, to be indexed."""

    async def update_attributes(
        self, store_id: str, file_id: str, attributes: Attributes
    ) -> StoreFileRecord:
        """Replaces the attributes of a file in a store."""

    async def detach_file(self, store_id: str, file_id: str) -> None:
        """Takes a file out of a store; the upload stays."""


class FileBatchReads(Protocol):
    """Reads files that were put into a vector store together."""

    async def get_file_batch(self, store_id: str, batch_id: str) -> FileBatchRecord:
        """Gives the state of a batch."""

    async def list_batch_files(  # noqa: PLR0913 - one argument a query parameter
        self,
        store_id: str,
        batch_id: str,
        *,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
        status: StoreFileStatus | None = None,
    ) -> Page[StoreFileRecord]:
        """Gives one page of the files of a batch."""


class FileBatchWrites(Protocol):
    """Puts files into a vector store together."""

    async def create_file_batch(
        self, store_id: str, files: Sequence[Attachment]
    ) -> FileBatchRecord:
        """Adds files to a store, to be indexed; all of them or none."""

    async def cancel_file_batch(self, store_id: str, batch_id: str) -> FileBatchRecord:
        """Stops the files of a batch that are not indexed yet."""


class Reads(
    FileReads,
    StoreReads,
    StoreFileReads,
    FileBatchReads,
    AnswerReads,
    BatchReads,
    KeyReads,
    Protocol,
):
    """All that changes nothing."""


class Writes(
    FileWrites,
    UploadWrites,
    StoreWrites,
    StoreFileWrites,
    FileBatchWrites,
    AnswerWrites,
    BatchWrites,
    KeyWrites,
    TenantWrites,
    Protocol,
):
    """All that changes something; what one of them returned from is durable."""


class Corpus(Reads, Writes, AccountStore, Protocol):
    """The corpus as one caller sees it."""


class Corpora(Protocol):
    """The corpus of every caller; there is none without a caller, so nobody can be forgotten."""

    def of(self, caller: Caller) -> Corpus:
        """Gives the corpus as this caller sees it."""
