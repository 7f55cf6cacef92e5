"""The catalog: the source of truth of the corpus, in one SQL database."""

from index.changes import ChangeLog
from index.files import Files
from index.jobs import Jobs
from index.store_files import StoreFiles
from index.stores import Stores


class Catalog(Files, Stores, StoreFiles, Jobs, ChangeLog):
    """Uploaded files, vector stores, ingestion jobs, passages and the log of their changes.

    Synchronous and thread-safe; any number of processes may open the same database. What a method
    returned from is durable, what it raised from has changed nothing. Search is not done here:
    fold.py keeps the search indexes in step with the change log.

    Args:
        url: a SQLAlchemy URL, such as "sqlite:///.ragfleet/corpus.db"; a missing file is created
            with its folder and tables.
        clock: the time in unix seconds.
    """
