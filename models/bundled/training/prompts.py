"""Whole prompts with their answers, from text of our own alone: written documents and facts.

The default calibration text of `models.quantize` and the rows of the retraining test need no
downloaded documentation.
"""

import random
from collections.abc import Iterator
from pathlib import Path

from models.bundled.training.contexts import Handbook
from models.bundled.training.facts import FactMaker
from models.bundled.training.questions import Overlap, QuestionMaker
from models.bundled.training.rows import DECLINE, Sources
from models.bundled.training.wordnet import Lexicon
from models.bundled.training.written import read_documents
from models.bundled.training.written_contexts import Written

FACTS = Path(__file__).parent / "facts.txt"
EMPTY_LEXICON = Lexicon(synonyms={}, nouns=(), glosses=())


def own_sources() -> Sources:
    """Returns sources that read nothing but files of this repository."""
    overlap = Overlap(())
    return Sources(
        written=Written(read_documents(evaluation=False)),
        prose=None,
        dictionary=None,
        handbook=Handbook(FactMaker(FACTS), evaluation=False),
        questions=QuestionMaker(EMPTY_LEXICON, overlap),
        overlap=overlap,
    )


def draw_prompts(rng: random.Random, count: int) -> Iterator[tuple[str, str]]:
    """Yields the user message, as `graphs/prompt.py` builds it, and the answer."""
    sources = own_sources()
    for _ in range(count):
        context = sources.draw_context(rng)
        blocks = [
            f"[{n}] {p.title}\n{' '.join(s.text for s in p.sentences)}\n\n"
            for n, p in enumerate(context.passages, start=1)
        ]
        number = rng.randrange(len(context.passages))
        sentence = rng.choice(context.passages[number].sentences)
        answer = f"{sentence.text} [{number + 1}]"
        if rng.random() < 0.15 and context.unanswered:
            sentence, answer = rng.choice(context.unanswered), DECLINE
        question = rng.choice(sentence.questions or (sentence.text,))
        yield "".join(blocks) + f"Question: {question}", answer
