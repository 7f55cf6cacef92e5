"""Whole prompts with their answers, from text of our own alone: written documents and facts.

The rows of the retraining test need no downloaded documentation, nor does the default calibration
text of `models.quantize`, which is written here:

    python -m training.prompts
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graphs.pipeline.prompt import question_text
from training.contexts import Handbook
from training.facts import FactMaker
from training.questions import Overlap, QuestionMaker
from training.rows import DECLINE, Sources
from training.wordnet import Lexicon
from training.written import read_documents
from training.written_contexts import Written

FACTS = Path(__file__).parent / "facts.txt"
NUM_CALIBRATION_PROMPTS = 1500
CALIBRATION_SEED = 11
EMPTY_LEXICON = Lexicon(synonyms={}, nouns=(), glosses=())


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A passage as the generator reads it."""

    title: str
    excerpt: str


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
    """Yields the user message, as the server builds it, and the answer."""
    sources = own_sources()
    for _ in range(count):
        context = sources.draw_context(rng)
        shown = [
            Shown(title=one.title, excerpt=" ".join(sentence.text for sentence in one.sentences))
            for one in context.passages
        ]
        number = rng.randrange(len(context.passages))
        sentence = rng.choice(context.passages[number].sentences)
        answer = f"{sentence.text} [{number + 1}]"
        if rng.random() < 0.15 and context.unanswered:
            sentence, answer = rng.choice(context.unanswered), DECLINE
        question = rng.choice(sentence.questions or (sentence.text,))
        yield question_text(question, shown), answer


def calibration_lines() -> Iterator[str]:
    """Yields the lines of models/quantization/prompts.jsonl."""
    for question, answer in draw_prompts(random.Random(CALIBRATION_SEED), NUM_CALIBRATION_PROMPTS):
        yield json.dumps({"question": question, "answer": answer}, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    from models.quantization.calibration import PROMPTS

    PROMPTS.write_text("".join(calibration_lines()), encoding="utf-8")
