"""Whole prompts with their answers, from the handbook facts alone: text of our own.

The default calibration text of `models.quantize` and the rows of the retraining test need no
downloaded documentation.
"""

import random
from collections.abc import Iterator
from pathlib import Path

from models.bundled.training.contexts import Handbook
from models.bundled.training.facts import FactMaker
from models.bundled.training.questions import Overlap, QuestionMaker
from models.bundled.training.rows import DECLINE, NUM_PASSAGES, NUM_SENTENCES, Sources
from models.bundled.training.wordnet import Lexicon

FACTS = Path(__file__).parent / "facts.txt"
EMPTY_LEXICON = Lexicon(synonyms={}, nouns=(), glosses=())


def fact_sources() -> Sources:
    """Returns sources that read nothing but `facts.txt`."""
    overlap = Overlap(())
    return Sources(
        prose=None,
        dictionary=None,
        handbook=Handbook(FactMaker(FACTS), evaluation=False),
        questions=QuestionMaker(EMPTY_LEXICON, overlap),
        overlap=overlap,
    )


def draw_prompts(rng: random.Random, count: int) -> Iterator[tuple[str, str]]:
    """Yields the user message, as `graphs/prompt.py` builds it, and the answer."""
    sources = fact_sources()
    for _ in range(count):
        least, most = rng.choices(NUM_SENTENCES, weights=NUM_PASSAGES)[0]
        num_passages = NUM_SENTENCES.index((least, most)) + 1
        counts = [rng.randint(least, most) for _ in range(num_passages)]
        context = sources.handbook.draw(rng, counts)
        blocks = [
            f"[{n}] {p.title}\n{' '.join(s.text for s in p.sentences)}\n\n"
            for n, p in enumerate(context.passages, start=1)
        ]
        number = rng.randrange(len(context.passages))
        sentence = rng.choice(context.passages[number].sentences)
        answer = f"{sentence.text} [{number + 1}]"
        if rng.random() < 0.15:
            sentence, answer = rng.choice(context.unanswered), DECLINE
        yield "".join(blocks) + f"Question: {rng.choice(sentence.questions)}", answer
