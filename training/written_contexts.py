"""Contexts from the documents written for this project."""

import random
import re
from collections.abc import Sequence

from training.contexts import EXTENSIONS, Context, Passage, make_sentence, rename
from training.written import WrittenDocument

WRITTEN = 20_000  # from here on every sentence written for this project is a family of its own
RENAMED = (0.03, 0.15)  # less than in prose: here the questions have to keep their meaning


class Written:
    """Documents written for this project: natural questions about neighbouring sentences."""

    def __init__(self, documents: Sequence[WrittenDocument]) -> None:
        """Numbers the sentences: each answers questions of its own."""
        self._documents = []
        number = WRITTEN
        for document in documents:
            sections = []
            for section in document.sections:
                title = " > ".join(filter(None, (document.title, section.heading)))
                sentences = []
                for sentence in section.sentences:
                    number += 1
                    sentences.append(
                        make_sentence(
                            sentence.text, questions=tuple(sentence.questions), family=number
                        )
                    )
                sections.append((title, sentences))
            near = [make_sentence(q, questions=(q,), family=0) for q in document.unanswered]
            self._documents.append((document.title, sections, near))

    def draw(self, rng: random.Random, counts: list[int]) -> Context:
        """Draws passages of one document, some with passages of others between them."""
        first = rng.randrange(len(self._documents))
        passages: list[Passage] = []
        for count in counts:
            same = not passages or rng.random() < 0.75
            passage = self._passage(
                first if same else rng.randrange(len(self._documents)), rng, count
            )
            if not any(s in p.sentences for p in passages for s in passage.sentences):
                passages.append(passage)
        shown = {s.family for p in passages for s in p.sentences}
        _, sections, near = self._documents[first]
        others = [s for _, sentences in sections for s in sentences if s.family not in shown]
        others = rng.sample([s for s in others if s.questions], min(3, len(others) // 2))
        context = Context(passages=tuple(passages), unanswered=(*near, *others))
        return rename(context, rng, RENAMED) if rng.random() < 0.3 else context

    def _passage(self, index: int, rng: random.Random, count: int) -> Passage:
        title, sections, _ = self._documents[index]
        heading, sentences = rng.choice([s for s in sections if s[1]])
        start = rng.randrange(max(1, len(sentences) - count + 1))
        style = rng.random()
        if style < 0.15:
            heading = title
        elif style < 0.3:
            heading = re.sub(r"\W+", "-", " ".join(title.lower().split()[:3])) + rng.choice(
                EXTENSIONS
            )
        return Passage(title=heading, sentences=tuple(sentences[start : start + count]))
