"""What a search asks for, and what it finds. How it is found is in ranking.py and hits.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from index.access import OPERATOR, Viewer
from index.errors import InvalidSearchError
from index.records import Attributes, StoredPassage, Vectors
from index.searching.filters import Filter

Mode = Literal["hybrid", "dense", "lexical"]
Fusion = Literal["rank", "score"]

MAX_TOP_K = 1000
MAX_NEIGHBOURS = 10
# Questions in other words than their answer are found by meaning; words find names and codes.
# Of 364 such questions 87 % keep their passage among 12 candidates with this, 79 % with 1.0.
LEXICAL_WEIGHT = 0.2
FUSION_DEPTH = 100  # passages that each of the two rankings hands to the fusion, at least


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What to look for, and where.

    Attributes:
        stores: names or ids of the stores to search, in any mix; a name means the oldest store that
            has it. None means all that have not expired.
        text: for the lexical search.
        vector: for the dense search; float32, (dim,), unit L2 norm.
        top_k: hits at most.
        mode: which searches take part.
        lexical_weight: weight of the BM25 ranking in the fusion, where the dense one has 1.
        fusion: whether ranks or scores of the two searches are fused; see fusion.py.
        diversity: 0..1, how much a hit must differ from those before it; see diversity.py.
        max_similarity: hits whose vectors have a greater cosine with a better one are left out.
        neighbours: passages before and after each hit, of the same file, that `around` holds.
        filters: only files whose attributes pass take part.
        viewer: who searches: only stores and files that it sees take part.
        fingerprint: the embedder of `vector`; None leaves it to the dimension to tell.
        others: what `vector` is to other embedders, by their fingerprints; each store is searched
            with the one that its vectors are of.

    Raises:
        InvalidSearchError: no store, a number out of bounds, or no vector where the mode needs one.
    """

    stores: tuple[str, ...] | None
    text: str
    vector: Vectors | None = field(default=None, compare=False, repr=False)
    top_k: int = 10
    mode: Mode = "hybrid"
    lexical_weight: float = LEXICAL_WEIGHT
    fusion: Fusion = "rank"
    diversity: float = 0.0
    max_similarity: float = 1.0
    neighbours: int = 0
    filters: Filter | None = None
    viewer: Viewer = OPERATOR
    fingerprint: str | None = None
    others: Mapping[str, Vectors] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.stores == ():
            raise InvalidSearchError("a search needs at least one vector store, got none")
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise InvalidSearchError(f"top_k must be in 1..{MAX_TOP_K}, got {self.top_k}")
        if not (0 <= self.diversity <= 1 and 0 <= self.neighbours <= MAX_NEIGHBOURS):
            raise InvalidSearchError(
                f"diversity must be in 0..1 and neighbours in 0..{MAX_NEIGHBOURS}, "
                f"got {self.diversity} and {self.neighbours}"
            )
        if self.mode != "lexical" and (self.vector is None or self.vector.ndim != 1):
            raise InvalidSearchError(f"mode {self.mode!r} needs a vector of one dimension")

    def vector_of(self, fingerprint: str) -> Vectors | None:
        """What is looked for as this embedder sees it; None if the request does not have that."""
        is_main = self.fingerprint in (None, fingerprint)
        return self.others.get(fingerprint, self.vector if is_main else None)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A passage that was found.

    `score` is the fused score in mode "hybrid", else that of the one search; it orders the hits
    unless they were diversified. The score of a search that did not find the passage is None, as
    is its place there, counted from 1.
    `around` is the passage with its neighbours and `context` their text, where they were asked for,
    else empty.
    """

    chunk_id: int
    store_id: str
    file_id: str
    filename: str
    title: str
    text: str
    char_start: int
    char_end: int
    page: int | None
    attributes: Attributes
    score: float
    dense_score: float | None
    lexical_score: float | None
    context: str = ""
    around: tuple[StoredPassage, ...] = field(default=(), repr=False)
    dense_rank: int | None = None
    lexical_rank: int | None = None
