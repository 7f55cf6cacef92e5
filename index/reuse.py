"""Embeds only what is new: content that an embedder has seen before has its vectors already."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from index.records import Titled, Vectors, content_hash, titled_text

FindKnown = Callable[[Sequence[str]], Mapping[str, Vectors]]
FindKnownOf = Callable[[str, Sequence[str]], Mapping[str, Vectors]]


class Embedded(Protocol):
    """What an embedder made of some texts."""

    @property
    def vectors(self) -> Vectors:
        """float32, (n_texts, dim), unit L2 norm, in the order of the texts."""
        ...

    @property
    def fingerprint(self) -> str:
        """The embedder that made them."""
        ...


class Embeds(Protocol):
    """An embedder of documents, here or elsewhere."""

    def embed(self, texts: Sequence[str], fingerprint: str) -> Iterable[Embedded]:
        """Embeds texts, in one part or several; by the embedder of this name if it is there."""
        ...


@dataclass(frozen=True, kw_only=True)
class EmbeddedPassages:
    """The vectors of passages.

    Attributes:
        vectors: float32, (n_passages, dim), unit L2 norm, in the order of the passages.
        fingerprint: the embedder of all of them.
        num_new: how many texts had to be embedded for it.
    """

    vectors: Vectors
    fingerprint: str
    num_new: int


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


def embed_new(
    passages: Sequence[Titled], fingerprint: str, find_known: FindKnownOf, embeds: Embeds
) -> EmbeddedPassages:
    """Gives the vectors of passages, all of one embedder; embeds those alone that are new to it.

    Args:
        passages: at least one.
        fingerprint: the embedder that is wanted.
        find_known: gives the vectors that an embedder has made of the hashes that it knows.
        embeds: embeds the others. Where it turns out to have another model by now, all is done
            again for that one, since vectors of two models cannot be compared.
    """
    while True:
        plan = plan_embedding(passages, partial(find_known, fingerprint))
        parts = list(embeds.embed(plan.texts, fingerprint)) if plan.texts else []
        others = {part.fingerprint for part in parts} - {fingerprint}
        if not others:
            embedded = [row for part in parts for row in part.vectors]
            return EmbeddedPassages(
                vectors=plan.vectors(embedded), fingerprint=fingerprint, num_new=len(plan.texts)
            )
        fingerprint = others.pop()
