"""What a model is asked for a draft of a question, and which drafts are of use. It asks nobody.

    passage --> prompt --> model --> {"question", "answer"} --> checked --> Draft

What is wrong with drafts of models: questions about "the passage", the same question again, answers
that the passage does not hold, answers as long as the passage, and no JSON
(https://github.com/vibrantlabsai/ragas/issues/1244, .../1322).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

MIN_WORDS = 12  # of a passage: less is a heading, or says nothing alone
_MAX_QUESTION_CHARS, _MAX_ANSWER_WORDS = 300, 30
_ALIKE = 0.8  # share of common words at which two questions are the same
_WORD = re.compile(r"\w+")
# Chinese, Japanese, Thai, Lao and Khmer have no spaces: two characters count as a word.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")  # the last two: full width, Arabic
_POINTS_AT_TEXT = re.compile(
    r"\b(?:the|this|that|given|above|following|provided)\s+"
    r"(?:passage|text|document|excerpt|context|paragraph|section|article|snippet)\b",
    re.IGNORECASE,
)
_ASKED = """\
You write questions for an exam about documents. Read the passage and write one question that a \
reader of its document would ask and that the passage answers. The question stands alone: it names \
what it is about, and never mentions a passage, text or document. The answer is copied word for \
word from the passage and is as short as it can be: a number, a name, a few words.
Reply with JSON alone: {"question": "...", "answer": "..."}"""

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
    "additionalProperties": False,
}


@dataclass(frozen=True, kw_only=True)
class SourcePassage:
    """A passage and the name of its document."""

    document: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A question, the document that answers it, and the words that do."""

    question: str
    answer: str
    passage: SourcePassage

    def line(self, number: int) -> Mapping[str, Any]:
        """Gives it as a line of a set of questions (docs/evaluating.md)."""
        return {
            "id": f"draft-{number}",
            "question": self.question,
            "documents": [self.passage.document],
            "facts": [[self.answer]],
            "passage": self.passage.text,
        }


class UselessDraftError(ValueError):
    """A draft is of no use; the message says why, in the same words for all of its kind."""


def chosen(passages: Iterable[SourcePassage], seed: int) -> Iterator[SourcePassage]:
    """Gives passages in the order in which they are asked about: documents in turn, by chance."""
    random = Random(seed)  # the same drafts again, no secret
    by_document: dict[str, list[SourcePassage]] = {}
    for one in passages:
        if _num_words(one.text) >= MIN_WORDS:
            by_document.setdefault(one.document, []).append(one)
    piles = list(by_document.values())
    random.shuffle(piles)
    for pile in piles:
        random.shuffle(pile)
    while piles := [pile for pile in piles if pile]:
        yield from [pile.pop() for pile in piles]


def messages_for(passage: SourcePassage) -> list[dict[str, str]]:
    """Gives the messages that ask for a draft."""
    told = f"Document: {passage.document}\nPassage:\n{passage.text}"
    return [{"role": "system", "content": _ASKED}, {"role": "user", "content": told}]


def checked(written: str, passage: SourcePassage, others: Sequence[Draft]) -> Draft:
    """Reads what the model wrote.

    Raises:
        UselessDraftError: it is no draft that could be used, or one of `others` again.
    """
    question, answer = _read(written)
    letters = len(question) + len(_UNSPACED.findall(question))
    if not question.endswith(_QUESTION_MARKS) or not 8 <= letters <= _MAX_QUESTION_CHARS:
        raise UselessDraftError("no question")
    if _POINTS_AT_TEXT.search(question):
        raise UselessDraftError("it asks about the passage itself")
    if not answer or not _holds(passage.text, answer):
        raise UselessDraftError("its answer does not stand in the passage")
    if _num_words(answer) > _MAX_ANSWER_WORDS:
        raise UselessDraftError("its answer is too long")
    if _holds(question, answer):
        raise UselessDraftError("it gives its answer away")
    if any(_alike(question, one.question) for one in others):
        raise UselessDraftError("it was asked already")
    return Draft(question=question, answer=answer, passage=passage)


def _read(written: str) -> tuple[str, str]:
    """Finds the JSON, which models put into fences and between words."""
    start, end = written.find("{"), written.rfind("}")
    try:
        value = json.loads(written[start : end + 1])
        question, answer = value["question"], value["answer"]
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise UselessDraftError("no JSON with question and answer") from err
    if not (isinstance(question, str) and isinstance(answer, str)):
        raise UselessDraftError("no JSON with question and answer")
    return " ".join(question.split()), " ".join(answer.split()).rstrip(".。")


def _num_words(text: str) -> int:
    return len(_UNSPACED.sub("", text).split()) + len(_UNSPACED.findall(text)) // 2


def _holds(text: str, words: str) -> bool:
    """Whether words stand in a text, whole ones where there are spaces."""
    plain = _plain(words)
    return bool(plain.strip()) and plain in _plain(text)


def _plain(text: str) -> str:
    return f" {' '.join(_words(text))} "


def _words(text: str) -> list[str]:
    """Gives the words; each character of a script without spaces is one."""
    return _WORD.findall(_UNSPACED.sub(r" \g<0> ", text.lower()))


def _alike(one: str, other: str) -> bool:
    a, b = set(_words(one)), set(_words(other))
    return len(a & b) >= _ALIKE * len(a | b)
