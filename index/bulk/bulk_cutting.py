"""The passages of the documents of a bulk load, for those that the store does not hold."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from index.bulk.bulk_parcel import Parcel, Stopwatch, Tally
from index.bulk.bulk_reading import Failure, failure
from index.catalog.bulk_load import BulkDocument, CutDocument
from index.catalog.catalog import Catalog
from index.catalog.passages import check_drafts
from index.chunk import Cutting, TokenSpans, cut_file
from index.errors import CorpusError
from index.parsing.document import Document
from index.parsing.sandbox import Sandbox

logger = logging.getLogger(__name__)

# Enough for the embedder to sort by length and fill its batches, and few enough that a load which
# is killed loses little: some seconds of work on a CPU.
MAX_PARCEL_CHUNKS = 128
_DOCUMENTS_AT_ONCE = 32


@dataclass
class _Growing:
    """A parcel in the making."""

    documents: list[CutDocument] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    num_present: int = 0
    num_chunks: int = 0


class BulkCutter:
    """Parses and cuts documents, into parcels of some passages each.

    Raises:
        UnknownStoreError: no such store.
    """

    def __init__(
        self, catalog: Catalog, store_id: str, cutting: Cutting, token_spans: TokenSpans
    ) -> None:
        self._catalog = catalog
        self._store_id = store_id
        self._limits = cutting.limits
        self._chunking = catalog.get_store(store_id).chunking or cutting.chunking
        self._token_spans = token_spans
        self._sandbox = Sandbox()
        self._watch = Stopwatch()

    def cut(self, found: Iterable[BulkDocument | Failure]) -> Iterator[Parcel]:
        """Cuts what the store does not hold; each document is in one parcel or in its tally.

        Raises:
            CorpusUnavailableError: the database is out of reach.
            SandboxError: the process that reads files does not start.
        """
        with self._watch.measured("read"):
            arrived = list(found)
            documents = [one for one in arrived if isinstance(one, BulkDocument)]
            are_loaded = self._catalog.find_loaded(self._store_id, documents)
        growing = _Growing(failures=[one for one in arrived if isinstance(one, Failure)])
        growing.num_present = sum(are_loaded)
        wanted = [
            one for one, is_loaded in zip(documents, are_loaded, strict=True) if not is_loaded
        ]
        for start in range(0, len(wanted), _DOCUMENTS_AT_ONCE):
            some = wanted[start : start + _DOCUMENTS_AT_ONCE]
            for document, parsed in zip(some, self._parse(some), strict=True):
                self._add(growing, document, parsed)
                if growing.num_chunks >= MAX_PARCEL_CHUNKS:
                    yield self._parcel(growing)
                    growing = _Growing()
        yield self._parcel(growing)

    def close(self) -> None:
        """Ends the process that reads files."""
        self._sandbox.close()

    def _parse(self, documents: Sequence[BulkDocument]) -> list[Document | CorpusError]:
        with self._watch.measured("parse"):
            files = [(one.filename, one.data) for one in documents]
            return self._sandbox.parse_all(files, self._limits)

    def _add(
        self, growing: _Growing, document: BulkDocument, parsed: Document | CorpusError
    ) -> None:
        try:
            cut = self._cut(document, parsed)
        except CorpusError as err:
            growing.failures.append(failure(document.filename, err))
        except Exception as err:
            # One document's failure must not end the load of all others.
            logger.exception("not cut: %r", document.filename)
            growing.failures.append(failure(document.filename, err))
        else:
            growing.documents.append(cut)
            growing.num_chunks += len(cut.drafts)

    def _cut(self, document: BulkDocument, parsed: Document | CorpusError) -> CutDocument:
        if isinstance(parsed, CorpusError):
            raise parsed
        with self._watch.measured("chunk"):
            drafts = cut_file(document.filename, parsed, self._chunking, self._token_spans)
            check_drafts(drafts)
        return CutDocument(document=document, drafts=drafts)

    def _parcel(self, growing: _Growing) -> Parcel:
        tally = Tally(
            num_present=growing.num_present,
            failures=tuple(growing.failures),
            seconds=self._watch.take(),
        )
        return Parcel(documents=tuple(growing.documents), tally=tally)
