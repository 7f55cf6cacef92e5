"""Best passages by words: BM25 in tantivy, in memory."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import tantivy

from index.records import Passage, titled_text

ANALYZER = "words"
WRITER_BYTES = 15_000_000  # the least that tantivy takes
MAX_QUERY_WORDS = 128


class LexicalIndex:
    """BM25 over the titles and texts of one store.

    Words are lower-cased, freed of accents and stemmed as English; a script without white space is
    left to the dense search. Each passage carries the key of its file, by which files are removed
    and filtered.
    """

    def __init__(self) -> None:
        self._index = tantivy.Index(_schema())
        self._index.register_tokenizer(ANALYZER, _analyzer())

    def update(self, removed_files: Iterable[int], added: Iterable[tuple[int, Passage]]) -> None:
        """Removes all passages of some files, then adds (file key, passage) pairs.

        The writer lives for one update: an idle one would hold six threads and 11 MB for each
        store.
        """
        writer = self._index.writer(WRITER_BYTES, num_threads=1)
        for key in removed_files:
            writer.delete_documents_by_term("file_key", key)
        for key, passage in added:
            body = titled_text(passage)
            writer.add_document(
                tantivy.Document(chunk_id=passage.chunk_id, file_key=key, body=body)
            )
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()

    def search(
        self, text: str, limit: int, allowed_files: Sequence[int] | None = None
    ) -> dict[int, float]:
        """The passages that share words with a text.

        Args:
            text: any text; it is split into words and never read as a query language.
            limit: how many at most.
            allowed_files: only passages of these file keys take part; None means all.

        Returns:
            The BM25 score of each chunk id, best first, the smaller id where equal.
        """
        words = list(dict.fromkeys(_analyzer().analyze(_encodable(text))))[:MAX_QUERY_WORDS]
        if not words or allowed_files == []:
            return {}
        query = _any_of(words)
        if allowed_files is not None:
            query = _only_in(query, allowed_files)
        searcher = self._index.searcher()
        hits = searcher.search(query, limit, count=False).hits
        ids = searcher.fast_field_values("chunk_id", [address for _, address in hits])
        found = [(int(i), float(score)) for i, (score, _) in zip(ids, hits, strict=True)]
        return dict(sorted(found, key=lambda item: (-item[1], item[0])))


def _any_of(words: Sequence[str]) -> Any:
    terms = [tantivy.Query.term_query(_schema(), "body", word) for word in words]
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, term) for term in terms])


def _only_in(query: Any, files: Sequence[int]) -> Any:
    inside = tantivy.Query.term_set_query(_schema(), "file_key", files)
    unscored = tantivy.Query.const_score_query(inside, 0.0)
    return tantivy.Query.boolean_query(
        [(tantivy.Occur.Must, query), (tantivy.Occur.Must, unscored)]
    )


def _encodable(text: str) -> str:
    return text.encode("utf-8", "ignore").decode()


@cache
def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    # Not unsigned: a Python int in such a field kills the writer's thread (tantivy 0.27).
    builder.add_integer_field("chunk_id", fast=True)
    builder.add_integer_field("file_key", indexed=True)
    builder.add_text_field("body", tokenizer_name=ANALYZER)
    return builder.build()


@cache
def _analyzer() -> Any:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(40))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )
