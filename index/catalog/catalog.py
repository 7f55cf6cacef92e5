"""The catalog: the source of truth of the corpus, in one SQL database."""

from index.catalog.accounts.ledger import Ledger
from index.catalog.accounts.quotas import Quotas
from index.catalog.answers.conversations import Conversations
from index.catalog.answers.feedback import Feedback
from index.catalog.answers.response_runs import ResponseRuns
from index.catalog.answers.responses import Responses
from index.catalog.batches.batch_runs import BatchRuns
from index.catalog.batches.batches import Batches
from index.catalog.bulk_load import BulkLoad
from index.catalog.changes import ChangeLog
from index.catalog.file_batches import FileBatches
from index.catalog.files import Files
from index.catalog.jobs import Jobs
from index.catalog.keys.keys import Keys
from index.catalog.keys.link_secret import LinkSecret
from index.catalog.keys.vouched import Vouched
from index.catalog.passage_reads import PassageReads
from index.catalog.passages import Passages
from index.catalog.reembedding import Reembedding
from index.catalog.searched_stores import SearchedStores
from index.catalog.store_files import StoreFiles
from index.catalog.stores import Stores
from index.catalog.tenants.tenants import Tenants
from index.catalog.uploads import Uploads


class ClientCatalog(
    Files,
    Uploads,
    Stores,
    StoreFiles,
    FileBatches,
    Responses,
    ResponseRuns,
    Conversations,
    Batches,
    BatchRuns,
    Keys,
    Vouched,
    LinkSecret,
    Feedback,
    Ledger,
    Quotas,
    Tenants,
):
    """The part that the API works with: what clients upload, ask and are answered.

    A public method that is added to one of its bases can be called from outside the cluster's
    workers; whatever they must not reach belongs into another part.
    """


class Catalog(
    ClientCatalog,
    Jobs,
    Passages,
    BulkLoad,
    Reembedding,
    PassageReads,
    SearchedStores,
    ChangeLog,
):
    """Uploaded files, vector stores, ingestion jobs, passages and the log of their changes.

    Clients    files, uploads, stores, store_files, file_batches   (ClientCatalog)
               responses, response_runs, conversations, batches, batch_runs, keys, vouched,
               link_secret, feedback, ledger, quotas (accounts/), tenants
    Writers    jobs, passages, bulk_load, reembedding
    Searches   searched_stores, changes, passage_reads

    Synchronous and thread-safe; any number of processes may open the same database. What a method
    returned from is durable, what it raised from has changed nothing. Every method raises
    CorpusUnavailableError while the database is out of reach or too slow. Search is not done here:
    fold.py keeps the search indexes in step with the change log.

    Args:
        url: a SQLAlchemy URL, such as "sqlite:///.ragfleet/corpus.db" or
            "postgresql://user:password@host/name"; a missing SQLite file is created with its
            folder, missing tables in either, and those of an older version are migrated.
        clock: the time in unix seconds.

    Raises:
        ValueError: a URL of another database, or of SQLite without a file.
        UnusableDatabaseError: a newer Ragfleet migrated the database, or its encoding is not UTF-8.
    """
