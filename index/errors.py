"""Everything that the corpus refuses, as one tree.

CorpusError
|- UnknownFileError        (LookupError)  no such file, or it has expired
|- UnknownStoreError       (LookupError)  no such vector store
|  '- ExpiredStoreError                   it was there, and its expiry has passed
|- UnknownUploadError      (LookupError)  no such upload
|- UnknownBatchError       (LookupError)  this tenant has no such batch of requests
|- UnknownStoreFileError   (LookupError)  the file is not in this vector store
|- UnknownFileBatchError   (LookupError)  this vector store has no such batch of files
|- UnknownAnswerError      (LookupError)  nothing of the kind is kept for this tenant
|  |- UnknownResponseError
|  |- UnknownConversationError
|  '- UnknownConversationItemError
|- UnknownKeyError         (LookupError)  no such API key, or it is another tenant's
|- UnknownFeedbackError    (LookupError)  this tenant has no such feedback
|- UnknownCursorError      (LookupError)  `after` names nothing in this list
|  '- UnknownBeforeError                   nor does `before`
|- UnsupportedFileError    (ValueError)   no parser for this type of file
|- InvalidFileError        (ValueError)   empty, broken, not what its name says, or without words
|  |- InvalidUploadError                   its parts are not what was announced
|  '- FileLimitError                       reading it would need more than a limit allows
|- InvalidLimitError       (ValueError)   a limit of parsing outside its bounds
|- InvalidFilterError      (ValueError)   a filter that has no meaning
|- InvalidChunkingError    (ValueError)   chunk sizes outside their bounds
|- InvalidAttributesError  (ValueError)   attributes or metadata outside their bounds
|- InvalidFileBatchError   (ValueError)   too few or many files, or one named in two ways
|- InvalidKeyError         (ValueError)   an API key whose scopes, names or limits have no meaning
|- NotWritableError        (PermissionError) the key may read this, and not change it
|- EndedBatchError         (ValueError)   a batch of requests that has ended is not cancelled
|- InvalidAnswerError      (ValueError)   more of them than are kept together
|  |- InvalidChainError                    too many responses go before one
|  '- InvalidConversationError             too many items, or one of them twice
|- ExistingResponseError   (ValueError)   a response of this id is kept already
|- InvalidSearchError      (ValueError)   a search request outside its bounds
|- FingerprintMismatchError (ValueError)  vectors of another embedder
|- StoredLimitError        (ValueError)   the tenant may not store so much
|- UploadsFullError        (ValueError)   too many bytes of uploads that are not completed
|- SandboxError            (RuntimeError) the process that reads files does not start
|- EmbedderUnavailableError (RuntimeError) whoever embeds for the corpus does not answer
|- CorpusUnavailableError  (RuntimeError) the database does not answer, or not in time
|- ClosedCatalogError      (RuntimeError) used after its `close`
|- UnusableDatabaseError   (RuntimeError) the database has a newer schema, or no Unicode
'- LostLeaseError          (RuntimeError) the job is finished, deleted, or held by another worker

`code` is what an HTTP client sees. No class has its own `__init__`: such an exception does not
survive the trip through a Ray Serve handle.
"""


class CorpusError(Exception):
    """Root of the tree."""

    code = "corpus_error"


class UnknownFileError(CorpusError, LookupError):
    """No file has this id, or it has expired."""

    code = "file_not_found"


class UnknownStoreError(CorpusError, LookupError):
    """No vector store has this id (or name)."""

    code = "vector_store_not_found"


class ExpiredStoreError(UnknownStoreError):
    """The vector store was not used for longer than its `expires_after` allows."""

    code = "vector_store_expired"


class UnknownUploadError(CorpusError, LookupError):
    """No upload has this id, or it was swept away."""

    code = "upload_not_found"


class UnknownBatchError(CorpusError, LookupError):
    """This tenant has no batch of requests of this id."""

    code = "batch_not_found"


class EndedBatchError(CorpusError, ValueError):
    """The batch of requests has ended, so it cannot be cancelled."""

    code = "batch_has_ended"


class UnknownStoreFileError(CorpusError, LookupError):
    """The file is not attached to this vector store."""

    code = "vector_store_file_not_found"


class UnknownFileBatchError(CorpusError, LookupError):
    """No batch of files of this vector store has this id."""

    code = "vector_store_file_batch_not_found"


class UnknownFeedbackError(CorpusError, LookupError):
    """This tenant has said nothing of this id."""

    code = "feedback_not_found"


class UnknownAnswerError(CorpusError, LookupError):
    """No such response, conversation or item is kept for this tenant."""

    code = "not_found"


class UnknownResponseError(UnknownAnswerError):
    """This tenant has no response of this id, or it has expired."""

    code = "response_not_found"


class UnknownConversationError(UnknownAnswerError):
    """This tenant has no conversation of this id, or nobody used it for too long."""

    code = "conversation_not_found"


class UnknownConversationItemError(UnknownAnswerError):
    """The conversation has no item of this id."""

    code = "item_not_found"


class UnknownCursorError(CorpusError, LookupError):
    """The `after` of a list request names nothing in that list."""

    code = "unknown_cursor"


class UnknownBeforeError(UnknownCursorError):
    """The `before` of a list request names nothing in that list."""


class UnsupportedFileError(CorpusError, ValueError):
    """No parser reads this type of file."""

    code = "unsupported_file"


class InvalidFileError(CorpusError, ValueError):
    """The content of a file cannot be used: empty, too large, or not what its name promises."""

    code = "invalid_file"


class InvalidUploadError(InvalidFileError):
    """An upload is not pending any more, or its parts are not what was announced."""

    code = "invalid_upload"


class FileLimitError(InvalidFileError):
    """Reading the file needs more than a limit allows: memory, time, pages, text, unpacking."""

    code = "file_limit_exceeded"


class InvalidLimitError(CorpusError, ValueError):
    """A limit of parsing is outside its bounds."""

    code = "invalid_parse_limit"


class InvalidFilterError(CorpusError, ValueError):
    """An attribute filter has no meaning: an unknown operator, or a value of the wrong type."""

    code = "invalid_filter"


class InvalidChunkingError(CorpusError, ValueError):
    """Chunk sizes are outside their bounds."""

    code = "invalid_chunking_strategy"


class InvalidAttributesError(CorpusError, ValueError):
    """Attributes or metadata are outside their bounds."""

    code = "invalid_attributes"


class InvalidFileBatchError(CorpusError, ValueError):
    """A batch without files, with too many, or with one file named in two ways."""

    code = "invalid_file_batch"


class UnknownKeyError(CorpusError, LookupError):
    """No API key of the tenant has this id."""

    code = "key_not_found"


class InvalidKeyError(CorpusError, ValueError):
    """An API key with scopes, names or limits outside their bounds."""

    code = "invalid_key"


class NotWritableError(CorpusError, PermissionError):
    """The key may read this, and not change it."""

    code = "insufficient_scope"


class StoredLimitError(CorpusError, ValueError):
    """The tenant may not store so much; deleting something makes room."""

    code = "storage_limit_exceeded"


class UploadsFullError(CorpusError, ValueError):
    """The parts of all pending uploads have as many bytes as are kept."""

    code = "uploads_full"


class ExistingResponseError(CorpusError, ValueError):
    """A response of this id is kept already: the same was asked twice at once."""

    code = "response_exists"


class InvalidAnswerError(CorpusError, ValueError):
    """Responses or items beyond what is kept together."""

    code = "invalid_value"


class InvalidChainError(InvalidAnswerError):
    """More responses go before one than are read."""

    code = "too_many_responses"


class InvalidConversationError(InvalidAnswerError):
    """A conversation with too many items, or with one of them twice."""

    code = "invalid_conversation"


class InvalidSearchError(CorpusError, ValueError):
    """A search request is outside its bounds."""

    code = "invalid_search"


class FingerprintMismatchError(CorpusError, ValueError):
    """The vectors come from another embedder than those of the vector store."""

    code = "embedder_mismatch"


class EmbedderUnavailableError(CorpusError, RuntimeError):
    """Whoever embeds for the corpus does not answer; no fault of the document."""

    code = "embedder_unavailable"


class CorpusUnavailableError(CorpusError, RuntimeError):
    """The database does not answer, or not in time: nothing was acknowledged, try again."""

    code = "corpus_unavailable"


class ClosedCatalogError(CorpusError, RuntimeError):
    """The catalog was used after its `close`."""

    code = "catalog_closed"


class UnusableDatabaseError(CorpusError, RuntimeError):
    """A newer Ragfleet migrated the database, or its encoding cannot hold every text."""

    code = "unusable_database"


class SandboxError(CorpusError, RuntimeError):
    """The process that reads files does not start; no fault of the file."""

    code = "sandbox_unavailable"


class LostLeaseError(CorpusError, RuntimeError):
    """A worker reports on a job that is finished, deleted, or now held by another worker."""

    code = "lost_lease"
