"""Contexts as the server builds them: one to four short passages, best first, with titles.

Three sources: documentation prose, handbook facts and dictionary definitions; a fourth is in
`written_contexts.py`. A context knows its sentences; what is asked is drawn in `rows.py`.
"""

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

from training.facts import FactMaker, pseudo_word
from training.questions import STOP_WORDS, content_words, stem
from training.wordnet import Lexicon

MAX_TITLE_CHARS = 80
DEFINITION = 10_000  # the family of all dictionary entries
MIN_WORDS, MAX_WORDS = 4, 34
SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z(\"'])")
HELD_OUT_EVERY = 40  # one document in so many is kept for the evaluation
FAMILY_CYCLE, FAMILY_HELD_OUT = 12, 5  # and so is every twelfth family of facts
EXTENSIONS = (".md", ".txt", ".html", ".pdf", "")
HEADINGS = ("Overview", "House rules", "Questions", "Basics", "Daily work", "Details", "Notes",
            "Getting started", "Limits", "Safety", "Prices", "Care", "Hours", "Problems", "People",
            "Configuration", "Operations", "Background", "Storage", "Equipment")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One sentence with its stems, and for facts the questions that it answers."""

    text: str
    stems: frozenset[str]
    questions: tuple[str, ...] = ()
    family: int = -1
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A title line and a few sentences."""

    title: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, kw_only=True)
class Context:
    """Passages, best first, and sentences near them whose questions they do not answer."""

    passages: tuple[Passage, ...]
    unanswered: tuple[Sentence, ...]


def make_sentence(text: str, **more: object) -> Sentence:
    """Returns a sentence with its stems."""
    return Sentence(text=text, stems=frozenset(stem(w) for w in content_words(text)), **more)  # type: ignore[arg-type]


def held_out(name: str) -> bool:
    """Says whether a document belongs to the evaluation, by its name alone."""
    return sum(name.encode()) % HELD_OUT_EVERY == 0


class Prose:
    """Documentation: every passage is a run of consecutive sentences of one paragraph."""

    def __init__(self, path: Path, *, evaluation: bool, limit: int | None = None) -> None:
        """Reads `paragraphs.jsonl`.

        Args:
            path: the file of `text.py`.
            evaluation: read the held-out documents instead of the others.
            limit: reads at most so many paragraphs.
        """
        self._paragraphs: list[tuple[str, str, list[str]]] = []
        self._by_doc: dict[str, list[int]] = {}
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file):
                if limit is not None and number >= limit:
                    break
                item = json.loads(line)
                if held_out(item["doc"]) == evaluation:
                    self._add(item)

    def _add(self, item: dict[str, str]) -> None:
        sentences = [s for s in SENTENCE_END.split(item["paragraph"]) if usable(s)]
        if sentences:
            title = " > ".join(p for p in (item["title"], item["heading"]) if p)
            if len(title) > MAX_TITLE_CHARS:
                title = (item["heading"] or item["title"])[:MAX_TITLE_CHARS]
            self._by_doc.setdefault(item["doc"], []).append(len(self._paragraphs))
            self._paragraphs.append((item["doc"], title, sentences))

    def sentences(self) -> list[str]:
        """Returns all sentences, for document frequencies."""
        return [s for _, _, sentences in self._paragraphs for s in sentences]

    def _passage(self, index: int, rng: random.Random, count: int) -> Passage:
        doc, title, sentences = self._paragraphs[index]
        start = rng.randrange(len(sentences))
        chosen = list(sentences[max(0, min(start, len(sentences) - count)) :][:count])
        following = index + 1
        while len(chosen) < count and following < len(self._paragraphs):
            if self._paragraphs[following][0] != doc:
                break
            chosen += self._paragraphs[following][2][: count - len(chosen)]
            following += 1
        if rng.random() < 0.15:
            title = Path(doc).with_suffix(rng.choice(EXTENSIONS)).name
        return Passage(title=title, sentences=tuple(make_sentence(s) for s in chosen))

    def draw(self, rng: random.Random, counts: list[int]) -> Context:
        """Draws passages of one document, or of several; `counts` are their sentences."""
        first = rng.randrange(len(self._paragraphs))
        near = self._by_doc[self._paragraphs[first][0]]
        indices = [first]
        same_document = rng.random() < 0.6
        for _ in counts[1:]:
            other = rng.choice(near) if same_document else rng.randrange(len(self._paragraphs))
            if other not in indices:
                indices.append(other)
        outside = [rng.choice(near) for _ in range(4)]
        outside += [rng.randrange(len(self._paragraphs)) for _ in range(4)]
        unanswered = [rng.choice(self._paragraphs[i][2]) for i in outside if i not in indices]
        context = Context(
            passages=tuple(self._passage(i, rng, n) for i, n in zip(indices, counts, strict=False)),
            unanswered=tuple(make_sentence(s) for s in unanswered),
        )
        return rename(context, rng) if rng.random() < 0.25 else context


class Handbook:
    """Facts: passages about one setting, with facts of the same families about others beside."""

    def __init__(self, maker: FactMaker, *, evaluation: bool) -> None:
        """Uses the held-out families of facts only for the evaluation."""
        self._maker = maker
        self._evaluation = evaluation

    def _fact(self, rng: random.Random, slots: dict[str, str]) -> Sentence:
        while True:
            fact = self._maker.draw(rng, slots)
            if (fact.family % FAMILY_CYCLE == FAMILY_HELD_OUT) == self._evaluation:
                return make_sentence(
                    fact.statement,
                    questions=fact.questions,
                    family=fact.family,
                    subject=fact.subject,
                )

    def draw(self, rng: random.Random, counts: list[int]) -> Context:
        """Draws passages that share slot values, some with others for contrast."""
        slots = self._maker.slots(rng)
        passages = []
        for number, count in enumerate(counts):
            if number and rng.random() < 0.4:
                slots = self._maker.slots(rng)
            facts = [self._fact(rng, slots) for _ in range(count)]
            subject = facts[0].subject or rng.choice(HEADINGS)
            heading = rng.choice([subject, subject[:1].upper() + subject[1:], rng.choice(HEADINGS)])
            title = rng.choice(["{}", "Handbook > {}", "{}", "The {}", "Guide > {}"]).format(
                heading
            )
            if rng.random() < 0.3:
                title = re.sub(r"\W+", "-", heading.lower()) + rng.choice(EXTENSIONS)
            passages.append(Passage(title=title, sentences=tuple(facts)))
        unanswered = tuple(self._fact(rng, slots) for _ in range(8))
        return Context(passages=tuple(passages), unanswered=unanswered)


class Dictionary:
    """Definitions: "A bugle is a brass instrument ..."."""

    def __init__(self, lexicon: Lexicon, *, evaluation: bool) -> None:
        """Keeps the glosses that are short enough."""
        self._entries = [
            (word, gloss.split("; ")[0])
            for word, gloss in lexicon.glosses
            if 4 <= len(gloss.split("; ")[0].split()) <= 22 and held_out(word) == evaluation
        ]
        self._synonyms = lexicon.synonyms

    def _entry(self, rng: random.Random) -> Sentence:
        word, gloss = rng.choice(self._entries)
        article = "an" if word[0] in "aeiou" else "a"
        asked = word
        if word in self._synonyms and rng.random() < 0.4:
            asked = rng.choice(self._synonyms[word])
        words = gloss.split()
        part = " ".join(words[: rng.randint(3, 9)])
        text = rng.choice(
            ["{a} {w} is {g}.", "{a} {w} means {g}.", "The word {w} stands for {g}.", "{w}: {g}."]
        ).format(a=article, w=word, g=gloss)
        questions = (
            f"What is {article} {asked}?", f"what does {asked} mean?", f"define {asked}",
            f"What is meant by {asked}?", f"What do you call {part}?", f"Which word means {part}?",
            f"meaning of {asked}", f"What is the definition of {asked}?", f"what is {part}?",
        )  # fmt: skip
        return make_sentence(
            text[0].upper() + text[1:], questions=questions, family=DEFINITION, subject=asked
        )

    def draw(self, rng: random.Random, counts: list[int]) -> Context:
        """Draws passages of unrelated entries."""
        passages = []
        for count in counts:
            entries = tuple(self._entry(rng) for _ in range(count))
            title = rng.choice(["Dictionary", "Glossary", "words.txt", entries[0].subject])
            passages.append(Passage(title=title, sentences=entries))
        return Context(
            passages=tuple(passages), unanswered=tuple(self._entry(rng) for _ in range(6))
        )


def usable(sentence: str) -> bool:
    """Says whether a sentence can be an answer: whole, of a sensible length, mostly words."""
    words = sentence.split()
    letters = sum(c.isalpha() or c.isspace() for c in sentence)
    return (
        MIN_WORDS <= len(words) <= MAX_WORDS
        and sentence[-1] in ".!"
        and not sentence[0].islower()
        and letters > 0.82 * len(sentence)
        and max(map(len, words)) < 40
    )


def rename(
    context: Context, rng: random.Random, shares: tuple[float, float] = (0.1, 0.3)
) -> Context:
    """Replaces a share of the words, drawn between two bounds, by invented ones, alike everywhere.

    Copying has then to work as a mechanism, not by knowing which words follow each other.
    """
    everything = [*(s for p in context.passages for s in p.sentences), *context.unanswered]
    words = sorted({w for s in everything for w in content_words(s.text)} - STOP_WORDS)
    share = rng.uniform(*shares)
    new = {}
    for word in words:
        if rng.random() < share:
            made = str(rng.randint(2, 9999)) if word[0].isdigit() else pseudo_word(rng)
            new[word] = made.capitalize() if word[0].isupper() else made
    pattern = re.compile("|".join(rf"\b{re.escape(w)}\b" for w in new) or r"(?!)")

    def changed(sentence: Sentence) -> Sentence:
        return make_sentence(
            pattern.sub(lambda m: new[m.group()], sentence.text),
            questions=tuple(
                pattern.sub(lambda m: new[m.group()], question) for question in sentence.questions
            ),
            family=sentence.family,
        )

    return Context(
        passages=tuple(
            Passage(
                title=pattern.sub(lambda m: new[m.group()], p.title),
                sentences=tuple(changed(s) for s in p.sentences),
            )
            for p in context.passages
        ),
        unanswered=tuple(changed(s) for s in context.unanswered),
    )
