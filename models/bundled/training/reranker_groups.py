"""Questions with candidate passages for the reranker, from the generator's text sources.

A group is a question, the passage that answers it (or none) and near passages that do not.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.bundled.training.contexts import Context, Passage, Sentence
from models.bundled.training.questions import content_words, stem
from models.bundled.training.rows import Sources

KINDS = ("handbook", "prose", "dictionary")
WEIGHTS = (0.65, 0.25, 0.1)  # natural questions first: rule-made ones teach words only
N_PASSAGES, MOST_SENTENCES = 4, 5
CLEAR = 1.2  # the answer's passage covers the question's words by so much more than any other


@dataclass(frozen=True, kw_only=True)
class Group:
    """A question, rows of its candidates in the pool, and which of them answers it, if any."""

    question: str
    candidates: tuple[int, ...]
    answer: int | None
    kind: str
    family: int = -1


@dataclass(kw_only=True)
class Pool:
    """All passages, as the reranker reads them, with what is needed to judge them."""

    texts: list[str] = field(default_factory=list)
    stems: list[frozenset[str]] = field(default_factory=list)
    families: list[frozenset[int]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def add(self, passage: Passage, kind: str) -> int:
        """Adds a passage and returns its row."""
        text = " ".join(sentence.text for sentence in passage.sentences)
        self.texts.append(f"{passage.title}\n{text}")
        words = {stem(word) for word in content_words(passage.title)}
        self.stems.append(frozenset(words).union(*(s.stems for s in passage.sentences)))
        self.families.append(frozenset(sentence.family for sentence in passage.sentences))
        self.kinds.append(kind)
        return len(self.texts) - 1


class GroupMaker:
    """Draws contexts and makes groups of them; deterministic in the random source."""

    def __init__(self, sources: Sources, *, with_dictionary: bool = True) -> None:
        self._sources = sources
        self._weights = WEIGHTS if with_dictionary and sources.dictionary else (0.7, 0.3, 0.0)

    def make(
        self, rng: random.Random, *, n_contexts: int, n_questions: int
    ) -> tuple[Pool, list[Group]]:
        """Makes the passages and, for each context, at most `n_questions` groups."""
        pool, groups = Pool(), []
        for _ in range(n_contexts):
            kind = rng.choices(KINDS, weights=self._weights)[0]
            context = self._context(kind, rng)
            rows = [pool.add(passage, kind) for passage in context.passages]
            for _ in range(n_questions):
                if group := self._group(context, rows, pool, rng):
                    groups.append(group)
        return pool, groups

    def _context(self, kind: str, rng: random.Random) -> Context:
        source = getattr(self._sources, kind)
        counts = [rng.randint(1, MOST_SENTENCES) for _ in range(N_PASSAGES)]
        context: Context = source.draw(rng, counts)
        return context

    def _group(
        self, context: Context, rows: list[int], pool: Pool, rng: random.Random
    ) -> Group | None:
        """Asks for one sentence; None where the answer would not be clear."""
        answer = rng.randrange(len(rows)) if rng.random() > 0.18 or not context.unanswered else None
        sentence = rng.choice(
            context.unanswered if answer is None else context.passages[answer].sentences
        )
        kind = pool.kinds[rows[0]]
        if sentence.questions:
            question = self._sources.questions.disturb(
                rng.choice(sentence.questions), rng, synonym_rate=0.15
            )
            others = [row for number, row in enumerate(rows) if number != answer]
            clear = all(sentence.family not in pool.families[row] for row in others)
            clear = clear or kind == "dictionary"
        else:
            question = self._sources.questions.make(sentence.text, rng)
            clear = self.is_clear(question, sentence, [pool.stems[row] for row in rows], answer)
        if not clear or len(question.split()) < 2:
            return None
        return Group(
            question=question,
            candidates=tuple(rows),
            answer=answer,
            kind=kind,
            family=sentence.family,
        )

    def is_clear(
        self,
        question: str,
        sentence: Sentence,
        passages: Sequence[frozenset[str]],
        answer: int | None,
    ) -> bool:
        """Says whether the words of a question point to one passage, or to none."""
        asked = {stem(word) for word in content_words(question)}
        covered = [self._sources.overlap.coverage(asked, set(stems)) for stems in passages]
        if answer is None:
            return max(covered) < 0.6 * self._sources.overlap.coverage(asked, set(sentence.stems))
        best = covered.pop(answer)
        return best > 0.2 and (not covered or best > CLEAR * max(covered))


def with_hard_negative(
    groups: Sequence[Group],
    pool: Pool,
    questions: NDArray[np.float32],
    passages: NDArray[np.float32],
) -> list[Group]:
    """Adds to each group the passage of another context that MiniLM finds most similar.

    Facts of the same family elsewhere are left out, since they could answer the question too;
    prose must cover fewer of its words than the answer does.

    Args:
        groups: The groups.
        pool: Their passages.
        questions: float32, (n_groups, 384), unit length.
        passages: float32, (n_passages, 384), unit length.
    """
    found = []
    for start in range(0, len(groups), 512):
        block = questions[start : start + 512] @ passages.T
        nearest = np.argsort(-block, axis=1)[:, :12]
        for group, rows in zip(groups[start : start + 512], nearest.tolist(), strict=True):
            extra = [row for row in rows if _is_negative(row, group, pool)][:1]
            found.append(
                Group(
                    question=group.question,
                    candidates=(*group.candidates, *extra),
                    answer=group.answer,
                    kind=group.kind,
                    family=group.family,
                )
            )
    return found


def _is_negative(row: int, group: Group, pool: Pool) -> bool:
    """Says whether a passage of the pool surely does not answer a group's question."""
    if row in group.candidates or (group.family >= 0 and group.family in pool.families[row]):
        return False
    if group.kind == "handbook":
        return True
    asked = {stem(word) for word in content_words(group.question)}
    if group.answer is None:
        return len(asked & pool.stems[row]) * 2 < len(asked)
    kept = asked & pool.stems[group.candidates[group.answer]]
    return len(asked & pool.stems[row]) < 0.6 * len(kept)
