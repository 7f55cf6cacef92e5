"""Best passages by words: BM25 in tantivy, in memory."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import tantivy

from index.identifiers import identifiers
from index.records import StoredPassage, titled_text
from index.searching.growing import GrowingArray
from index.searching.words import MAX_WORD_CHARS, indexed_words, query_words

ANALYZER = "words"
WRITER_BYTES = 15_000_000  # the least that tantivy takes
MAX_QUERY_WORDS = 128
KEEP_WRITER_FROM = 100_000  # passages; its threads and 11 MB are below a tenth of the index then
MERGE_FROM = 20_000  # added passages; what a merge replaces stays in memory until the next update
MAX_MISSPELT = 8  # words of a query that are looked for as others
MIN_MISSPELT_CHARS = 4
LONG_WORD_CHARS = 6  # may have two wrong letters
SPELT_LIKE_POINTS = 2.0  # for each step nearer; a rare word that is spelt right has about 8
MAX_NAMED = 16
NAMED_POINTS = 1000.0  # above any sum of BM25
# An identifier that more passages hold than these tells none from the others.
FEW_PASSAGES = 20
FEW_SHARE = 0.01
_SPARE_HITS = 1.5
# Of an index, by characters of the words in it; measured over prose in English with passages of 400
# to 1000 characters: 0.25 to 0.36. Of code it is 0.12 to 0.17, since it has fewer different words.
BYTES_A_CHAR = 0.3
_WRITER_HELD_BYTES = 11_000_000

Mask = npt.NDArray[np.bool_]


class LexicalIndex:
    """BM25 over the titles and texts of one store.

    Words are those of words.py, lower-cased, freed of accents and stemmed as English. Each passage
    carries the key of its file, by which files are removed and filtered.
    """

    def __init__(self) -> None:
        self._index = tantivy.Index(lexical_schema())
        self._index.register_tokenizer(ANALYZER, word_analyzer())
        self._writer: Any = None
        self._num_added = 0
        self._num_chars = GrowingArray(np.int64)  # by file key

    @property
    def num_bytes(self) -> int:
        """The memory that it takes, about: tantivy does not tell."""
        writer = 0 if self._writer is None else _WRITER_HELD_BYTES
        return int(BYTES_A_CHAR * self._num_chars.items.sum()) + writer

    def update(
        self, removed_files: Iterable[int], added: Iterable[tuple[int, StoredPassage]]
    ) -> None:
        """Removes all passages of some files, then adds (file key, passage) pairs.

        Searches do not see it before `publish`; a thread of the writer works on it meanwhile.
        """
        if self._writer is None:
            self._writer = self._index.writer(WRITER_BYTES, num_threads=1)
        for key in removed_files:
            self._writer.delete_documents_by_term("file_key", key)
            if 0 <= key < len(self._num_chars):
                self._num_chars.items[key] = 0
        for key, passage in added:
            body = indexed_words(titled_text(passage))
            self._num_chars.lengthen(key + 1)
            self._num_chars.items[key] += len(body)
            self._writer.add_document(
                tantivy.Document(chunk_id=passage.chunk_id, file_key=key, body=body)
            )
            self._num_added += 1

    def publish(self) -> None:
        """Lets searches see all updates.

        The writer of a small store ends here: an idle one would hold six threads and 11 MB for each
        store. That of a large store stays, so that nothing waits for its merges, which can take
        seconds; but after a bulk load, or a restart, they are waited for.
        """
        if self._writer is None:
            return
        self._writer.commit()
        self._index.reload()
        if self._index.searcher().num_docs < KEEP_WRITER_FROM or self._num_added >= MERGE_FROM:
            self._writer.wait_merging_threads()
            self._writer = None
            self._index.reload()
        self._num_added = 0

    def search(self, text: str, limit: int, allowed_files: Mask | None = None) -> dict[int, float]:
        """The passages that share words with a text.

        Args:
            text: any text; it is split into words and never read as a query language.
            limit: how many at most.
            allowed_files: only passages of these files take part; a mask by file key, None means
                all.

        Returns:
            The BM25 score of each chunk id, best first, the smaller id where equal.
        """
        words = _words(text)
        return self._search(self._query(words), limit, allowed_files) if words else {}

    def search_named(
        self, text: str, limit: int, allowed_files: Mask | None = None
    ) -> dict[int, float]:
        """The passages that hold an identifier of a text, one that few passages hold.

        Returns:
            For each chunk id a score by which more identifiers come first, then BM25; best first,
            the smaller id where equal. Empty where no passage holds one, or too many.
        """
        few = self._few()
        named = [word for word in _named(text) if 0 < self._frequency(word) <= few]
        if not named:
            return {}
        points = [tantivy.Query.const_score_query(_term(word), NAMED_POINTS) for word in named]
        query = tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Must, _any_of(points)),
                (tantivy.Occur.Should, self._query(_words(text))),
            ]
        )
        return self._search(query, limit, allowed_files)

    def _query(self, words: Sequence[str]) -> Any:
        """Any of the words; one that the store does not have stands for those spelt like it."""
        unknown = [word for word in words if _may_be_misspelt(word) and not self._frequency(word)]
        likely = [_spelt_like(word) for word in unknown[:MAX_MISSPELT]]
        return _any_of([*map(_term, words), *likely])

    def _frequency(self, word: str) -> int:
        return int(self._index.searcher().doc_freq("body", word))

    def _few(self) -> int:
        return max(FEW_PASSAGES, int(FEW_SHARE * self._index.searcher().num_docs))

    def _search(
        self, query: Any, limit: int, allowed_files: Mask | None = None
    ) -> dict[int, float]:
        num_allowed = 1 if allowed_files is None else np.count_nonzero(allowed_files)
        if not num_allowed:
            return {}
        if allowed_files is None:
            return self._found(query, limit)
        # Ranking more and dropping what may not take part costs about as much a hit as naming the
        # files in the query costs a file.
        deeper = int(_SPARE_HITS * limit * len(allowed_files) / num_allowed)
        if deeper < num_allowed:
            found = self._found(query, deeper, allowed_files)
            if len(found) >= limit:
                return dict(list(found.items())[:limit])
        return self._found(_only_in(query, np.flatnonzero(allowed_files).tolist()), limit)

    def _found(self, query: Any, limit: int, allowed: Mask | None = None) -> dict[int, float]:
        """The best of a query, less those whose files are not allowed."""
        searcher = self._index.searcher()
        hits = searcher.search(query, limit, count=False).hits
        addresses = [address for _, address in hits]
        scores = [score for score, _ in hits]
        ids = searcher.fast_field_values("chunk_id", addresses)
        found = list(zip(ids, scores, strict=True))
        if allowed is not None:
            passes = allowed[searcher.fast_field_values("file_key", addresses)].tolist()
            found = [pair for pair, is_allowed in zip(found, passes, strict=True) if is_allowed]
        return dict(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def _words(text: str) -> list[str]:
    found = word_analyzer().analyze(_encodable(query_words(text)))
    return list(dict.fromkeys(found))[:MAX_QUERY_WORDS]


def _named(text: str) -> list[str]:
    """The identifiers of a text as words of the index; a version is looked for without "v" too."""
    names = [one for name in identifiers(text) for one in (name, name.removeprefix("v"))]
    analyzed = [_words(name) for name in dict.fromkeys(names)]
    return [words[0] for words in analyzed if len(words) == 1][:MAX_NAMED]


def _term(word: str) -> Any:
    return tantivy.Query.term_query(lexical_schema(), "body", word)


def _any_of(queries: Sequence[Any]) -> Any:
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])


def _may_be_misspelt(word: str) -> bool:
    return word.isalpha() and word.isascii() and len(word) >= MIN_MISSPELT_CHARS


def _spelt_like(word: str) -> Any:
    """Words that differ in one letter, long ones in two; changed places count once."""
    distance = 1 if len(word) < LONG_WORD_CHARS else 2
    near = [
        tantivy.Query.fuzzy_term_query(lexical_schema(), "body", word, distance=one)
        for one in range(1, distance + 1)
    ]
    return _any_of([tantivy.Query.const_score_query(one, SPELT_LIKE_POINTS) for one in near])


def _only_in(query: Any, files: Sequence[int]) -> Any:
    inside = tantivy.Query.term_set_query(lexical_schema(), "file_key", files)
    unscored = tantivy.Query.const_score_query(inside, 0.0)
    return tantivy.Query.boolean_query(
        [(tantivy.Occur.Must, query), (tantivy.Occur.Must, unscored)]
    )


def _encodable(text: str) -> str:
    return text.encode("utf-8", "ignore").decode()


@cache
def lexical_schema() -> Any:
    """What is kept of a passage."""
    builder = tantivy.SchemaBuilder()
    # Not unsigned: a Python int in such a field kills the writer's thread (tantivy 0.27).
    builder.add_integer_field("chunk_id", fast=True)
    builder.add_integer_field("file_key", indexed=True, fast=True)
    # Without positions: nothing asks for phrases.
    builder.add_text_field("body", tokenizer_name=ANALYZER, index_option="freq")
    return builder.build()


@cache
def word_analyzer() -> Any:
    """Splits a text into words."""
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(4 * MAX_WORD_CHARS + 1))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )
