"""Pairs of a question and a sentence, from which a model learns whether the one answers the other.

The hardest pairs are near misses: the sentence speaks of the same thing, and not of what is asked.

    written documents   a question and its sentence | others of the document that MiniLM finds alike
    near misses (N:)    a question and the sentence that seems to answer it | and others
                        a question about another part, level or place than the sentence's
    facts, tables       filled from slots: the same thing with another of its facts
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.encoders.judge_questions import about_another, as_typed, names_of
from training.encoders.judge_tables import draw_rows
from training.facts import FactMaker, pseudo_word
from training.written import WrittenDocument

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
N_HARD = 4  # the sentences most alike, of which negatives are drawn
_SHARE_ALTERED = 0.3  # of the questions that name a thing: asked of another, too
_SHARE_BEFORE = 0.15  # with the sentence before it, as where one says "it"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A question and a titled sentence.

    Attributes:
        kind: `answer`, `near` (a written near miss), `unanswered` or `other`.
    """

    question: str
    text: str
    kind: str

    @property
    def answers(self) -> bool:
        """Whether the sentence answers the question."""
        return self.kind == "answer"


def written_pairs(
    documents: Sequence[WrittenDocument],
    embed: Embed,
    rng: random.Random,
    *,
    n_others: int = 2,
    share_asked: float = 1.0,
) -> Iterator[Pair]:
    """Gives the pairs of written documents.

    Args:
        documents: with their near misses.
        embed: texts to vectors of unit length, float32, (n_texts, dim).
        rng: draws titles and negatives.
        n_others: sentences that do not answer, for each question.
        share_asked: of the questions with an answer.
    """
    names = names_of(
        question
        for document in documents
        for section in document.sections
        for sentence in section.sentences
        for question in sentence.questions
    )
    for document in documents:
        texts, questions = _cut(document, rng)
        asked = [one for one in questions if one[2] != "answer" or rng.random() < share_asked]
        if not asked or len(texts) < 2:
            continue
        alike = embed([question for question, _, _ in asked]) @ embed(texts).T
        for (question, row, kind), similar in zip(asked, alike, strict=True):
            order = [other for other in np.argsort(-similar).tolist() if other != row]
            if row is not None:
                yield Pair(question=as_typed(question, rng), text=texts[row], kind=kind)
            if row is not None and kind == "answer" and rng.random() < _SHARE_ALTERED:
                altered = about_another(question, texts[row], names, rng)
                if altered is not None:
                    yield Pair(question=as_typed(altered, rng), text=texts[row], kind="near")
            number = n_others if row is None or kind == "answer" else 1
            for other in rng.sample(order[:N_HARD], min(number, len(order))):
                kind_of_other = "unanswered" if row is None else "other"
                yield Pair(question=as_typed(question, rng), text=texts[other], kind=kind_of_other)


def _cut(
    document: WrittenDocument, rng: random.Random
) -> tuple[list[str], list[tuple[str, int | None, str]]]:
    """Gives the titled sentences, and each question with its sentence's row and its kind."""
    texts: list[str] = []
    asked: list[tuple[str, int | None, str]] = [
        (question, None, "unanswered") for question in document.unanswered
    ]
    style = rng.random()
    for section in document.sections:
        title = f"{document.title} > {section.heading}" if style < 0.75 else document.title
        before = ""
        for sentence in section.sentences:
            row = len(texts)
            first = before if rng.random() < _SHARE_BEFORE else ""
            texts.append(f"{title}\n{first}{sentence.text}")
            asked += [(question, row, "answer") for question in sentence.questions]
            asked += [(question, row, "near") for question in sentence.near_misses]
            before = f"{sentence.text} "
    return texts, asked


def fact_pairs(maker: FactMaker, rng: random.Random, number: int) -> Iterator[Pair]:
    """Gives pairs of facts about the same things: a question with its fact and with another's."""
    while number > 0:
        kept = maker.slots(rng)
        facts = [maker.draw(rng, kept) for _ in range(12)]
        title = f"{pseudo_word(rng).capitalize()} {rng.choice(('handbook', 'guide', 'FAQ'))}"
        for fact in facts:
            subject = fact.subject
            others = [one for one in facts if one.family != fact.family]
            near = [one for one in others if subject and subject in one.statement] or others[:1]
            question = rng.choice(fact.questions)
            for one, kind in ((fact, "answer"), *((other, "other") for other in near[:2])):
                text = f"{title}\n{one.statement}"
                yield Pair(question=as_typed(question, rng), text=text, kind=kind)
            number -= 1


def table_pairs(rng: random.Random, number: int) -> Iterator[Pair]:
    """Gives pairs of rows: what they tell, and what they do not."""
    while number > 0:
        for row in draw_rows(rng):
            text = f"{row.title}\n{row.text}"
            kinds = ((row.answered, "answer"), (row.unanswered, "other"))
            for questions, kind in kinds:
                for question in rng.sample(questions, min(2, len(questions))):
                    yield Pair(question=as_typed(question, rng), text=text, kind=kind)
            number -= 1
