"""Questions with candidate passages for the reranker, from the documents written for this project.

A group is a question, the passage that answers it (or none) and near passages that do not: others
of the same document, and one of the whole pool that MiniLM finds similar.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.written import WrittenDocument, cut_passages

N_OWN_NEAREST, N_NEAREST = 3, 12


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question, the row of the passage that answers it, if any, and its document's rows."""

    text: str
    answer: int | None
    own: range


@dataclass(frozen=True, kw_only=True)
class Group:
    """The row of a question, and rows of its candidates in the pool; the answer is the first."""

    question: int
    candidates: tuple[int, ...]
    answered: bool


def cut_pool(
    documents: Sequence[WrittenDocument], rng: random.Random
) -> tuple[list[str], list[Question]]:
    """Cuts all documents into passages.

    Returns:
        The passages as the reranker reads them, and the questions.
    """
    pool: list[str] = []
    questions: list[Question] = []
    for document in documents:
        passages = cut_passages(document, rng)
        own = range(len(pool), len(pool) + len(passages))
        for row, passage in zip(own, passages, strict=True):
            pool.append(passage.text)
            questions += [Question(text=q, answer=row, own=own) for q in passage.questions]
        questions += [Question(text=q, answer=None, own=own) for q in document.unanswered]
    return pool, questions


def draw_groups(
    questions: Sequence[Question],
    similarities: NDArray[np.float32],
    rng: random.Random,
) -> list[Group]:
    """Gives every question its candidates.

    Args:
        questions: all questions.
        similarities: MiniLM's cosines, float32, (n_questions, n_passages).
        rng: draws the candidates of other documents.
    """
    groups = []
    for row, question in enumerate(questions):
        order = np.argsort(-similarities[row])
        others = [j for j in order.tolist() if j in question.own and j != question.answer]
        near = [j for j in order[: 2 * N_NEAREST].tolist() if j not in question.own][:N_NEAREST]
        outside = rng.sample(near, min(1, len(near))) if rng.random() < 0.5 else []
        negatives = others[:N_OWN_NEAREST] + outside
        first = [] if question.answer is None else [question.answer]
        groups.append(
            Group(
                question=row,
                candidates=(*first, *negatives),
                answered=question.answer is not None,
            )
        )
    return groups
