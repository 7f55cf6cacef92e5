"""What a request came upon on its way to its answer, so that the answer can be explained later.

    searches   what was looked for, and every hit with its places in both rankings
    rankings   what the models said of passages, and of the sentences that were compared
    parts      what of the sentences could answer, what the judge said of it, and what was quoted
    verdicts   what the safety filter flagged
    attempts   which replicas wrote the answer, and why one took over

It is kept for a while (graphs/observing/record.py) and read by graphs/observing/explaining.py.
Texts are cut, and whoever keeps it may leave them out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from index.searching.request import Hit

# Of a text that is noted. Longer than a passage is cut, so that who looks for words finds them.
TEXT_CHARS = 4_000
_MAX_SEARCHES = 8  # of one request; a search with many queries is explained by its first
_MAX_RANKINGS = 16


@dataclass(frozen=True, kw_only=True)
class FoundHit:
    """A hit, in the order of its search.

    Attributes:
        dense_rank: its place in the search by meaning, from 1; None: not found there.
        lexical_rank: its place in the search by words, likewise.
        score: of the fusion.
        store_id: empty of what came with the question.
    """

    chunk_id: int
    file_id: str
    filename: str
    text: str
    dense_rank: int | None
    dense_score: float | None
    lexical_rank: int | None
    lexical_score: float | None
    score: float
    store_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search, of all its queries together."""

    queries: tuple[str, ...]
    hits: tuple[FoundHit, ...]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A passage, or a sentence of it, and its relevance in 0..1."""

    chunk_id: int
    score: float
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What one call of a cross-encoder said.

    Attributes:
        stage: `rerank` of passages, `focus` or `meaning` (by vectors) of sentences.
        scored: best first.
    """

    stage: str
    question: str
    scored: tuple[Scored, ...]


@dataclass(frozen=True, kw_only=True)
class QuotedPart:
    """A part of a question and what could have been quoted for it.

    Attributes:
        units: what can answer, first what fits best; `score` is that it does, 0..1, and 0 of what
            the judge was not asked about.
        chosen: what was quoted, of the newest edition; empty: nothing reached the threshold.
        chosen_id: the passage in which that stands.
    """

    question: str
    units: tuple[Scored, ...]
    chosen: str = ""
    chosen_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Flagged:
    """What the safety filter flagged: the `question`, a turn of the `history`, or the `answer`."""

    what: str
    categories: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A replica that wrote a part of the answer.

    Attributes:
        position: index of the first token that it was asked for.
        reason: why the one before it did not go on; empty for the first.
    """

    number: int
    position: int
    replica: str
    reason: str = ""


@dataclass(kw_only=True)
class Findings:
    """All that one request came upon; every list is bounded.

    Attributes:
        threshold: what passages or sentences had to reach, 0..1.
        num_prompt_room: tokens of the context that were left for passages.
        given: ids of the passages that the generator was given.
    """

    searches: list[Search] = field(default_factory=list)
    rankings: list[Ranking] = field(default_factory=list)
    parts: list[QuotedPart] = field(default_factory=list)
    flagged: list[Flagged] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    threshold: float | None = None
    num_prompt_room: int | None = None
    given: tuple[int, ...] = ()

    def note_search(self, queries: Sequence[str], hits: Sequence[Hit]) -> None:
        """Notes what a search found."""
        if len(self.searches) < _MAX_SEARCHES:
            found = tuple(
                FoundHit(
                    chunk_id=hit.chunk_id, file_id=hit.file_id, filename=hit.filename,
                    text=hit.text[:TEXT_CHARS], dense_rank=hit.dense_rank,
                    dense_score=hit.dense_score, lexical_rank=hit.lexical_rank,
                    lexical_score=hit.lexical_score, score=hit.score, store_id=hit.store_id,
                )
                for hit in hits
            )  # fmt: skip
            self.searches.append(Search(queries=tuple(queries), hits=found))

    def note_ranking(self, stage: str, question: str, scored: Sequence[Scored]) -> None:
        """Notes what a cross-encoder said, best first."""
        if len(self.rankings) < _MAX_RANKINGS:
            self.rankings.append(Ranking(stage=stage, question=question, scored=tuple(scored)))

    def note_part(
        self, question: str, units: Sequence[Scored], chosen: str, chosen_id: int | None
    ) -> None:
        """Notes what could have been quoted, and what was."""
        self.parts.append(
            QuotedPart(
                question=question, units=tuple(units), chosen=chosen[:TEXT_CHARS],
                chosen_id=chosen_id,
            )
        )  # fmt: skip

    def note_flagged(self, what: str, categories: Sequence[str]) -> None:
        """Notes what the safety filter flagged."""
        self.flagged.append(Flagged(what=what, categories=tuple(categories)))

    @property
    def best_score(self) -> float | None:
        """The highest relevance that a reranker gave a passage; None where none was reranked."""
        best = self._best_ranked()
        return None if best is None else best.score

    @property
    def best_found(self) -> float | None:
        """The highest cosine that a search found; None where none was found by meaning."""
        cosines = (hit.dense_score for hit in self._hits())
        return max((one for one in cosines if one is not None), default=None)

    @property
    def best_store(self) -> str:
        """The vector store of the best passage; empty: none was found in one."""
        best = self._best_ranked()
        hits = [one for one in self._hits() if best is None or one.chunk_id == best.chunk_id]
        return max(hits, key=lambda one: one.dense_score or 0.0).store_id if hits else ""

    def _hits(self) -> Iterator[FoundHit]:
        return (hit for search in self.searches for hit in search.hits)

    def _best_ranked(self) -> Scored | None:
        rankings = (one for one in self.rankings if one.stage == "rerank")
        ranked = (one for ranking in rankings for one in ranking.scored)
        return max(ranked, key=lambda one: one.score, default=None)
