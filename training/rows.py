"""Training rows: the passages once, then many independent question-and-answer tails.

A tail sees the passages and itself (block mask), and its positions go on after the passages, so it
is exactly a prompt of its own. Most tails end after the first answer tokens, which is where the
sentence is chosen; the rest carry the whole answer and its citation.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tokenizers import Tokenizer

from training.contexts import (
    DEFINITION,
    Context,
    Dictionary,
    Handbook,
    Prose,
    Sentence,
)
from training.layout import Row, Shape, cut
from training.questions import Overlap, QuestionMaker, content_words, stem
from training.tokenizer import ASSISTANT, END, MARKERS, PAD, USER
from training.written_contexts import Written

DECLINE = "I don't know."
TARGET_PASSAGE = (0.65, 0.2, 0.1, 0.05)
NUM_PASSAGES = (0.2, 0.3, 0.3, 0.2)
NUM_SENTENCES = ((3, 6), (2, 4), (1, 4), (1, 3))  # per passage, where there are 1, 2, 3, 4
# The documents written for this project come as the server cuts them: one or two sentences.
WRITTEN_PASSAGES = (0.4, 0.35, 0.25)
WRITTEN_SENTENCES = (1, 1, 1, 2, 2, 3)
SHARE_VERY_FIRST = 0.6
SHARE_UNANSWERED = 0.13
SHARE_WHOLE = 0.55
MAX_COVERED = 0.34  # an unanswered question covered by more than this may well be answered
WEIGHT_FIRST, WEIGHT_MARKER, WEIGHT_LANGUAGE = 4.0, 4.0, 0.1
NUM_LANGUAGE = 10
MAX_SENTENCE_TOKENS = 60


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where contexts and questions come from."""

    written: Written | None
    prose: Prose | None
    handbook: Handbook
    dictionary: Dictionary | None
    questions: QuestionMaker
    overlap: Overlap
    share_written: float = 0.6
    share_prose: float = 0.45  # of the rest, as the next
    share_dictionary: float = 0.1

    def draw_context(self, rng: random.Random) -> Context:
        """Draws a context from one of the sources."""
        if self.written and rng.random() < self.share_written:
            passages = rng.choices(range(1, 4), weights=WRITTEN_PASSAGES)[0]
            return self.written.draw(rng, [rng.choice(WRITTEN_SENTENCES) for _ in range(passages)])
        least, most = rng.choices(NUM_SENTENCES, weights=NUM_PASSAGES)[0]
        num_passages = NUM_SENTENCES.index((least, most)) + 1
        count = [rng.randint(least, most) for _ in range(num_passages)]
        draw = rng.random()
        if draw < self.share_prose and self.prose:
            return self.prose.draw(rng, count)
        if draw > 1 - self.share_dictionary and self.dictionary:
            return self.dictionary.draw(rng, count)
        return self.handbook.draw(rng, count)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A sentence at its place in the row."""

    sentence: Sentence
    passage: int
    start: int
    end: int


class RowMaker:
    """Draws contexts and tails and lays them out; deterministic in the random source."""

    def __init__(self, tokenizer: Tokenizer, sources: Sources) -> None:
        """Looks up the ids that every row needs."""
        self._tokenizer = tokenizer
        self._sources = sources
        ids: Callable[[str], int] = lambda text: self.encode(text)[0]  # noqa: E731
        self._user, self._assistant, self._end, self.pad = map(ids, (USER, ASSISTANT, END, PAD))
        self._markers = [ids(m) for m in MARKERS]
        self._line, self._blank = self.encode("x\nx")[1:-1], self.encode("x\n\nx")[1:-1]
        self._question, self._space = self.encode(" Question:"), self.encode("a. [1]")[-2:-1]

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def lay_out(self, context: Context, most_tokens: int) -> tuple[Row, list[Placed]]:
        """Writes the passages, as `graphs/pipeline/prompt.py` does, up to `most_tokens` tokens."""
        row, placed = Row(), []
        self._add(row, [self._user], sentence=0, passage=0)
        for number, passage in enumerate(context.passages):
            begin = len(row.tokens)
            title = self.encode(" " + passage.title)[:24]
            if begin + len(title) + 40 > most_tokens:
                break
            self._add(
                row, [self._markers[number], *title, *self._line], sentence=begin, passage=begin
            )
            for sentence in passage.sentences:
                ids = self.encode(" " + sentence.text)
                start = len(row.tokens)
                if start + len(ids) + 2 > most_tokens or len(ids) > MAX_SENTENCE_TOKENS:
                    break
                self._add(row, ids, sentence=start, passage=begin)
                placed.append(
                    Placed(sentence=sentence, passage=number, start=start, end=start + len(ids))
                )
            self._add(row, self._blank, sentence=begin, passage=begin)
        return row, placed

    def _add(self, row: Row, ids: list[int], *, sentence: int, passage: int) -> None:
        row.position += range(len(row.tokens), len(row.tokens) + len(ids))
        row.tokens += ids
        row.segment += [0] * len(ids)
        row.sentence_start += [sentence] * len(ids)
        row.passage_start += [passage] * len(ids)

    def add_tail(self, row: Row, question: str, target: Placed | None, *, whole: bool) -> None:
        """Adds one question with its answer, or with the decline if there is no target."""
        number = max(row.tail, default=0) + 1
        ids = [*self._question, *self.encode(" " + question), self._assistant]
        answer, source = self._answer(row, target)
        if target is not None and not whole:
            answer, source = answer[:3], source[:3]
        weights = [WEIGHT_FIRST] + [1.0] * (len(answer) - 1)
        weights = [
            WEIGHT_MARKER if token in self._markers and i else weight
            for i, (token, weight) in enumerate(zip(answer, weights, strict=True))
        ]
        first = len(row.tokens) + len(ids) - 1
        context = row.segment.count(0)
        ids = ids + answer[:-1]
        row.tokens += ids
        row.segment += [number] * len(ids)
        row.position += range(context, context + len(ids))
        row.sentence_start += [-1] * len(ids)
        row.passage_start += [-1] * len(ids)
        row.at += range(first, first + len(answer))
        row.label += answer
        row.weight += weights
        row.source += source
        row.span += [(target.start, target.end) if target else (0, 0)] * len(answer)
        row.tail += [number] * len(answer)

    def _answer(self, row: Row, target: Placed | None) -> tuple[list[int], list[int]]:
        """Returns the answer's ids and, for each, where in the row it is copied from, or -1."""
        if target is None:
            answer = [*self.encode(" " + DECLINE), self._end]
            return answer, [-1] * len(answer)
        sentence = row.tokens[target.start : target.end]
        answer = [*sentence, *self._space, self._markers[target.passage], self._end]
        source = [*range(target.start, target.end), *([-1] * len(self._space))]
        return answer, [*source, row.passage_start[target.start], -1]

    def ask(
        self, rng: random.Random, placed: list[Placed], context: Context
    ) -> tuple[str, Placed | None]:
        """Draws a question and its target; an empty question means that the draw was refused."""
        if rng.random() < SHARE_UNANSWERED:
            sentence = rng.choice(context.unanswered) if context.unanswered else None
            return (self._unanswered(rng, sentence, placed) if sentence else ""), None
        target = self._target(rng, placed)
        others = [p.sentence for p in placed if p is not target]
        return self._answered(rng, target.sentence, others), target

    def _target(self, rng: random.Random, placed: list[Placed]) -> Placed:
        """Draws the asked sentence: the server puts the best passage, and in it the best, first."""
        if rng.random() < SHARE_VERY_FIRST:
            return placed[0]
        passages = sorted({p.passage for p in placed})
        passage = rng.choices(passages, weights=TARGET_PASSAGE[: len(passages)])[0]
        return rng.choice([p for p in placed if p.passage == passage])

    def _answered(self, rng: random.Random, sentence: Sentence, others: list[Sentence]) -> str:
        if sentence.questions and rng.random() < 0.9:
            rivals = [s for s in others if s.family == sentence.family]
            question = rng.choice(sentence.questions)
            clear = not rivals or (
                sentence.subject in question and all(s.subject != sentence.subject for s in rivals)
            )
            if not clear:
                return ""
            return self._sources.questions.disturb(question, rng, synonym_rate=0.09)
        question = self._sources.questions.make(sentence.text, rng)
        asked = {stem(w) for w in content_words(question)}
        own = self._sources.overlap.coverage(asked, set(sentence.stems))
        best = max((self._sources.overlap.coverage(asked, set(s.stems)) for s in others), default=0)
        return question if own > best + 0.1 and asked else ""

    def _unanswered(self, rng: random.Random, sentence: Sentence, placed: list[Placed]) -> str:
        if sentence.questions:
            if any(
                p.sentence.family == sentence.family and p.sentence.subject == sentence.subject
                for p in placed
            ):
                return ""
            question = rng.choice(sentence.questions)
            named = sentence.subject in question and sentence.family != DEFINITION
            if not named and any(p.sentence.family == sentence.family for p in placed):
                return ""
            return self._sources.questions.disturb(question, rng, synonym_rate=0.1)
        question = self._sources.questions.make(sentence.text, rng)
        asked = {stem(w) for w in content_words(question)}
        covered = max(self._sources.overlap.coverage(asked, set(p.sentence.stems)) for p in placed)
        return question if len(asked) > 1 and covered < MAX_COVERED else ""

    def make(self, rng: random.Random, shape: Shape) -> Row:
        """Draws one full row."""
        while True:
            context = self._sources.draw_context(rng)
            row, placed = self.lay_out(context, rng.randint(shape.context * 2 // 3, shape.context))
            if placed and (len(placed) > 1 or rng.random() < 0.6):
                break
        refused = 0
        while refused < 12:
            question, target = self.ask(rng, placed, context)
            if not question:
                refused += 1
                continue
            marks = (len(row.tokens), len(row.at))
            self.add_tail(row, question, target, whole=rng.random() < SHARE_WHOLE)
            if len(row.tokens) > shape.length or len(row.at) > shape.supervised:
                cut(row, *marks)
                break
        self._add_language(row, rng, shape)
        return row

    def _add_language(self, row: Row, rng: random.Random, shape: Shape) -> None:
        """Fills free supervised positions with next-token prediction inside the passages."""
        last = row.segment.count(0) - 1
        room = min(shape.supervised - len(row.at), NUM_LANGUAGE, last - 1)
        for at in sorted(rng.sample(range(1, last), max(room, 0))):
            row.at.append(at)
            row.label.append(row.tokens[at + 1])
            row.weight.append(WEIGHT_LANGUAGE)
            row.source.append(-1)
            row.span.append((0, 0))
            row.tail.append(0)
