"""Which passages still have to be embedded, and the vectors of all of them once those are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from index.records import Titled, Vectors, content_hash, titled_text

FindKnown = Callable[[Sequence[str]], Mapping[str, Vectors]]


@dataclass(frozen=True, kw_only=True)
class EmbeddingPlan:
    """The passages of one or more documents, split by whether their content has a vector.

    Attributes:
        hashes: of every passage, in their order; see index.records.content_hash.
        known: vectors by hash: float32, (dim,), unit L2 norm.
        new: what is to be embedded, by hash; the same content stands here once.
    """

    hashes: tuple[str, ...]
    known: Mapping[str, Vectors]
    new: Mapping[str, str]

    @property
    def texts(self) -> list[str]:
        """What the embedder is to be given, in the order that `vectors` wants."""
        return list(self.new.values())

    def vectors(self, embedded: Iterable[Vectors]) -> Vectors:
        """The vectors of all passages.

        Args:
            embedded: those of `texts`, in their order; an array of (n_texts, dim) will do.

        Returns:
            float32, (n_passages, dim), in the order of the passages.
        """
        by_hash = dict(self.known) | dict(zip(self.new, embedded, strict=True))
        return np.stack([by_hash[one] for one in self.hashes])


def plan_embedding(passages: Sequence[Titled], find_known: FindKnown) -> EmbeddingPlan:
    """Splits passages into those whose content was embedded before and those that are new.

    Args:
        passages: at least one.
        find_known: gives the vectors of the hashes that it knows.
    """
    hashes = tuple(map(content_hash, passages))
    text_of = {one: titled_text(passage) for one, passage in zip(hashes, passages, strict=True)}
    known = find_known(list(text_of))
    new = {one: text for one, text in text_of.items() if one not in known}
    return EmbeddingPlan(hashes=hashes, known=known, new=new)
