"""Texts for the safety classifier: written templates, filled and varied.

The templates are in `safety_templates_harm.txt` and `safety_templates_benign.txt`. The documents
written for this project join the harmless ones with their questions, alone and around harmful
sentences, since the server classifies windows of an answer and not only questions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from models.safety import MODERATION_CATEGORIES
from training.written import WrittenDocument

LABELS = (*MODERATION_CATEGORIES, "prompt-injection")
HERE = Path(__file__).resolve().parent
SLOT = re.compile(r"\{(\w+)\}")
OPENINGS = (
    "Please, ", "Hi! ", "Hello, ", "Question: ", "hey ", "I have a question. ", "Urgent: ",
    "Hi there, a quick one: ", "For a friend: ", "Just curious, ", "OK. ", "Well, ", "Listen: ",
    "Assistant, ", "One more thing. ", "Can you help? ", "So, ", "Imagine this. ",
)  # fmt: skip
CLOSINGS = (
    " Thanks!",
    " please",
    " thank you",
    "!!",
    " Answer quickly.",
    " I mean it.",
    " ok?",
    " :)",
)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A text and the categories that it belongs to; none means harmless."""

    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Templates:
    """What one templates file holds: slots with their fillings, and templates with their labels."""

    slots: dict[str, tuple[str, ...]]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def read_templates(file: Path) -> Templates:
    """Read a templates file.

    Raises:
        ValueError: If a line names an unknown slot or label.
    """
    slots: dict[str, tuple[str, ...]] = {}
    rows: list[tuple[str, tuple[str, ...]]] = []
    labels: tuple[str, ...] = ()
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("@slot "):
            name, fillings = line.removeprefix("@slot ").split(":", 1)
            slots[name.strip()] = tuple(filling.strip() for filling in fillings.split("|"))
        elif line.startswith("@slot"):
            raise ValueError(f"{file.name}: a slot has no name: {line!r}")
        elif line.startswith("@labels"):
            labels = tuple(line.split()[1:])
        else:
            rows.append((line.strip(), labels))
    for text, named in rows:
        unknown = (set(SLOT.findall(text)) - set(slots)) | (set(named) - set(LABELS))
        if unknown:
            raise ValueError(f"{file.name}: {text!r} names unknown {sorted(unknown)}")
    return Templates(slots=slots, rows=tuple(rows))


def fill(template: str, slots: dict[str, tuple[str, ...]], rng: random.Random) -> str:
    """Return a template with each slot filled at random."""
    return SLOT.sub(lambda match: rng.choice(slots[match[1]]), template)


def vary(text: str, rng: random.Random) -> str:
    """Return a text with an opening, a closing, a slip of the finger, or as it is."""
    if rng.random() < 0.25:
        opening = rng.choice(OPENINGS)
        text = opening + (text[0].lower() + text[1:] if opening[-2] == "," else text)
    if rng.random() < 0.12:
        text = text.rstrip(".?!") + rng.choice(CLOSINGS)
    if rng.random() < 0.2:
        text = text.rstrip(".?!")
    if rng.random() < 0.12 and len(text) > 12:
        place = rng.randrange(1, len(text) - 2)
        swapped = text[place + 1] + text[place]
        text = text[:place] + rng.choice((swapped, "", text[place] * 2)) + text[place + 2 :]
    return text


def window(text: str, around: str, rng: random.Random) -> str:
    """Put a text into the middle or at an end of other words, as a window of an answer holds it."""
    words = around.split()
    before = words[: rng.randint(0, 25)] if rng.random() < 0.7 else []
    after = words[len(before) :][: rng.randint(0, 25)] if rng.random() < 0.6 else []
    return " ".join([*before, text, *after])


def everyday_texts(documents: Sequence[WrittenDocument]) -> list[str]:
    """Gives the sentences of documents, alone and with the one that follows, and all questions."""
    found: list[str] = []
    for document in documents:
        sentences = [s for section in document.sections for s in section.sentences]
        found += [sentence.text for sentence in sentences]
        found += [f"{one.text} {two.text}" for one, two in pairwise(sentences)][::2]
        found += [question for sentence in sentences for question in sentence.questions]
        found += document.unanswered
    return found


def examples(everyday: Sequence[str], *, n_per_template: int, seed: int) -> list[Example]:
    """Make the training set.

    Args:
        everyday: Harmless texts, which also surround harmful ones.
        n_per_template: Variations of each template.
        seed: Of every choice.

    Returns:
        Examples without doubles, shuffled.
    """
    rng = random.Random(seed)
    harm = read_templates(HERE / "safety_templates_harm.txt")
    benign = read_templates(HERE / "safety_templates_benign.txt")
    fillers = [fill(text, benign.slots, rng) for text, _ in benign.rows for _ in range(8)]
    made: dict[str, tuple[str, ...]] = {}
    for templates in (harm, benign):
        for template, labels in templates.rows:
            for _ in range(n_per_template):
                text = vary(fill(template, templates.slots, rng), rng)
                if rng.random() < 0.25:
                    around = rng.choice((rng.choice(fillers), " ".join(rng.sample(everyday, 3))))
                    text = window(text, around, rng)
                made.setdefault(text, labels)
    made |= dict.fromkeys([*fillers, *everyday], ())
    rows = [Example(text=text, labels=labels) for text, labels in made.items()]
    rng.shuffle(rows)
    return rows
