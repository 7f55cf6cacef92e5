"""The tables of the corpus, for SQLite and PostgreSQL alike. What they mean; not how they are used.

files          uploaded bytes, never changed after upload
vector_stores  named sets of files; each holds vectors of one embedder, named by `fingerprint`
uploads        files that come in parts; of what they are in the end, `file_id` tells
upload_parts   the parts, until they are put together
file_batches   files put into a store together; which ones is in store_files
store_files    a file in a store, with its attributes and its state of ingestion
chunks         the passages of a store file
vectors        one a chunk and embedder, so that a store can be filled for a new embedder beside the
               old one; those of the store's fingerprint are searched
jobs           ingestion still to be done; a row goes with the work, the outcome is in store_files
changes        the log that search replicas fold; no foreign keys, it outlives what it names; that a
               store was switched to another embedder is of no file
responses      what clients asked and were answered; `request`, `items` and `body` are JSON that the
               API writes; work on them is leased as that of jobs is
response_events  what came of a response, in order, so that its stream can be read again
conversations  named sequences of items
conversation_items  the items, JSON of the API
head           one row: the number of the last change, and the next chunk id

`tenant` says whose a row is, `key_id` with which key it was made, and `access` who of the
tenant may see it (index/access.py). `seq` columns keep the order of creation, which whole seconds
do not. A change here needs a revision in migrations/versions as well, which makes it in databases
that exist.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# SQLite numbers rows by itself only in a column declared INTEGER, which has 64 bits there;
# `sqlite_autoincrement` keeps it from giving the number of a deleted row again.
RowNumber = BigInteger().with_variant(Integer(), "sqlite")

head = Table(
    "head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("next_chunk_id", BigInteger, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("filename", Text, nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("num_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("content", LargeBinary, nullable=False),
    Column("tenant", Text, nullable=False, server_default="default"),
    Column("key_id", Text),
    Column("access", Text),
    Index("ix_files_tenant", "tenant", "seq"),
    Index("ix_files_stored", "tenant", "expires_at", "num_bytes"),
    sqlite_autoincrement=True,
)

vector_stores = Table(
    "vector_stores",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("metadata", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_active_at", BigInteger, nullable=False),
    Column("expires_after_days", Integer),
    Column("max_chunk_tokens", Integer),
    Column("chunk_overlap_tokens", Integer),
    Column("fingerprint", Text),
    Column("dim", Integer),
    Column("tenant", Text, nullable=False, server_default="default"),
    Column("key_id", Text),
    Column("access", Text),
    Index("ix_vector_stores_tenant", "tenant", "seq"),
    # A name can be longer than a btree of PostgreSQL takes.
    Index("ix_vector_stores_name", "name", postgresql_using="hash"),
    sqlite_autoincrement=True,
)

file_batches = Table(
    "file_batches",
    metadata,
    Column("id", String(64), primary_key=True),
    Column(
        "store_id", ForeignKey("vector_stores.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("created_at", BigInteger, nullable=False),
    Column("cancelled_at", BigInteger),
)

store_files = Table(
    "store_files",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("store_id", ForeignKey("vector_stores.id", ondelete="CASCADE"), nullable=False),
    Column("file_id", ForeignKey("files.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("status", String(16), nullable=False),
    Column("error_code", String(32)),
    Column("error_message", Text),
    Column("attributes", JSON, nullable=False),
    Column("usage_bytes", BigInteger, nullable=False),
    Column("num_passages", BigInteger, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    Column("max_chunk_tokens", Integer),
    Column("chunk_overlap_tokens", Integer),
    Column("batch_id", ForeignKey("file_batches.id"), index=True),  # both go with the store
    UniqueConstraint("store_id", "file_id"),
    Index("ix_store_files_passages", "store_id", "num_passages"),
    sqlite_autoincrement=True,
)


def _of_store_file() -> ForeignKeyConstraint:
    """The row goes with its store file."""
    return ForeignKeyConstraint(
        ["store_id", "file_id"],
        ["store_files.store_id", "store_files.file_id"],
        ondelete="CASCADE",
    )


chunks = Table(
    "chunks",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=False),
    Column("store_id", String(64), nullable=False),
    Column("file_id", String(64), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("char_start", Integer, nullable=False),
    Column("char_end", Integer, nullable=False),
    Column("page", Integer),
    Column("content_hash", String(64), nullable=False, index=True),
    _of_store_file(),
    UniqueConstraint("store_id", "file_id", "ordinal"),
)

vectors = Table(
    "vectors",
    metadata,
    Column("chunk_id", ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little endian, unit L2 norm
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("store_id", String(64), nullable=False),
    Column("file_id", String(64), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Float),
    Column("most_passages", BigInteger),  # of the tenant, when the file was attached
    _of_store_file(),
    UniqueConstraint("store_id", "file_id"),
    sqlite_autoincrement=True,
)

changes = Table(
    "changes",
    metadata,
    Column("number", RowNumber, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("store_id", String(64), nullable=False),
    Column("file_id", String(64), nullable=False),
    Index("ix_changes_of_store_file", "store_id", "file_id", "number"),
)

responses = Table(
    "responses",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("status", String(16), nullable=False, index=True),
    Column("request", Text, nullable=False),
    Column("items", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous_id", String(64)),  # no foreign key: each is deleted and expires by itself
    Column("conversation_id", String(64)),
    Column("attempt", Integer, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Float),
    sqlite_autoincrement=True,
)

response_events = Table(
    "response_events",
    metadata,
    Column("response_id", ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", Text, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("keep_s", BigInteger, nullable=False),
    Column("key_id", Text),
    Column("metadata", JSON, nullable=False),
    sqlite_autoincrement=True,
)

conversation_items = Table(
    "conversation_items",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("id", String(128), nullable=False),
    Column("data", Text, nullable=False),
    UniqueConstraint("conversation_id", "id"),
    sqlite_autoincrement=True,
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("filename", Text, nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("num_bytes", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("file_expires_after_s", BigInteger),
    Column("cancelled_at", BigInteger),
    Column("file_id", String(64)),  # no foreign key: it tells of a file that was deleted since
    Column("tenant", Text, nullable=False, server_default="default"),
    Column("key_id", Text),
    Column("access", Text),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column(
        "upload_id",
        String(64),
        ForeignKey("uploads.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("num_bytes", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
