"""The documents written for this project, with natural questions about their sentences.

`documents/*.txt` hold one item a line: `T:` a title, `H:` a heading, `S:` a sentence, `Q:` a
question that the sentence above it answers, `N:` one that it seems to answer and neither it nor the
rest of the document does, `U:` a question near the document that it does not answer.
"""

from __future__ import annotations

import random
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "documents"
HELD_OUT_EVERY, HELD_OUT = 12, 3  # one document in twelve is kept for the evaluation
SENTENCES_PER_PASSAGE = (1, 1, 1, 2, 2, 3)


@dataclass(kw_only=True)
class WrittenSentence:
    """A sentence, the questions that it answers, and those that it only seems to answer."""

    text: str
    questions: list[str] = field(default_factory=list)
    near_misses: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Section:
    """Sentences under one heading, in their order."""

    heading: str
    sentences: list[WrittenSentence] = field(default_factory=list)


@dataclass(kw_only=True)
class WrittenDocument:
    """A document, and questions near it that it does not answer."""

    title: str
    sections: list[Section] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    @property
    def held_out(self) -> bool:
        """Whether the document belongs to the evaluation, by its title alone."""
        return zlib.crc32(self.title.encode()) % HELD_OUT_EVERY == HELD_OUT


@dataclass(frozen=True, kw_only=True)
class WrittenPassage:
    """A title line and consecutive sentences of one section."""

    title: str
    sentences: tuple[WrittenSentence, ...]

    @property
    def text(self) -> str:
        """Title and sentences as embedder and reranker read them."""
        return f"{self.title}\n{' '.join(sentence.text for sentence in self.sentences)}"

    @property
    def questions(self) -> list[str]:
        """The questions that it answers."""
        return [question for sentence in self.sentences for question in sentence.questions]


def read_documents(*, evaluation: bool, folder: Path = FOLDER) -> list[WrittenDocument]:
    """Reads one side of the split.

    Raises:
        ValueError: a line has no known mark.
    """
    found: list[WrittenDocument] = []
    for file in sorted(folder.glob("*.txt")):
        for line in filter(None, file.read_text(encoding="utf-8").splitlines()):
            mark, _, text = line.partition(": ")
            if mark == "T":
                found.append(WrittenDocument(title=text))
            else:
                _add(found[-1], mark, text)
    return [document for document in found if document.held_out == evaluation]


def _add(document: WrittenDocument, mark: str, text: str) -> None:
    """Adds one line to the document that is being read."""
    match mark:
        case "H":
            document.sections.append(Section(heading=text))
        case "S":
            document.sections[-1].sentences.append(WrittenSentence(text=text))
        case "Q":
            document.sections[-1].sentences[-1].questions.append(text)
        case "N":
            document.sections[-1].sentences[-1].near_misses.append(text)
        case "U":
            document.unanswered.append(text)
        case _:
            raise ValueError(f"expected T:, H:, S:, Q:, N: or U:, got {mark!r}: {text!r}")


def cut_passages(document: WrittenDocument, rng: random.Random) -> list[WrittenPassage]:
    """Cuts a document into passages of one to three sentences, titled as the server titles them."""
    found, style = [], rng.random()
    for section in document.sections:
        title = _title(document, section, style)
        start = 0
        while start < len(section.sentences):
            count = rng.choice(SENTENCES_PER_PASSAGE)
            chosen = tuple(section.sentences[start : start + count])
            found.append(WrittenPassage(title=title, sentences=chosen))
            start += count
    return found


def _title(document: WrittenDocument, section: Section, style: float) -> str:
    """Mostly title and heading, else the title alone or the name of a file."""
    if style < 0.7:
        return " > ".join(filter(None, (document.title, section.heading)))
    if style < 0.85:
        return document.title
    words = re.findall(r"[a-z0-9]+", document.title.lower())
    return "-".join(words[:3]) + ".txt"
