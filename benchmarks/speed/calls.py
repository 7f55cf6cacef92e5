"""What the clients ask: texts of 8 to 64 words, drawn with a fixed seed from the docs here.

A request of a number is always the same, and no two of them have a text in common, so that nothing
that is kept can answer it; `later` has numbers that were not asked before.
"""

import random
import re
from functools import cache
from pathlib import Path

from benchmarks.overhead import QUESTIONS
from benchmarks.speed.load import Call, Calls

_DOCS = Path(__file__).parents[2] / "docs"
_SHORTEST, _LONGEST = 8, 64  # words
_CALLS_A_TURN = 1_000_000


@cache
def _words() -> list[str]:
    text = " ".join(path.read_text() for path in sorted(_DOCS.glob("*.md")))
    return re.findall(r"[A-Za-z][a-z]+", text)


def text(number: int) -> str:
    """Gives text of a number: its words stand in their order in the docs."""
    draw = random.Random(number)
    words, length = _words(), draw.randint(_SHORTEST, _LONGEST)
    start = draw.randrange(len(words) - length)
    return f"{number} {' '.join(words[start : start + length])}"


def embeddings(model: str, texts: int = 1) -> Calls:
    """Asks for the vectors of some texts a request."""

    def call(number: int) -> Call:
        given = [text(number * texts + place) for place in range(texts)]
        return Call(path="/v1/embeddings", body={"model": model, "input": given})

    return call


def rerank(model: str, documents: int = 20, path: str = "/rerank") -> Calls:
    """Ranks documents by a question."""

    def call(number: int) -> Call:
        question = QUESTIONS[number % len(QUESTIONS)]
        given = [text(number * documents + place) for place in range(documents)]
        body = {"model": model, "query": question, "documents": given}
        return Call(path=path, body=body)

    return call


def later(calls: Calls, turn: int) -> Calls:
    """Gives the requests of another turn, which has none in common with those before it."""
    return lambda number: calls(number + turn * _CALLS_A_TURN)


def chats(model: str = "rag") -> Calls:
    """Asks questions that the handbook answers, with citations."""

    def call(number: int) -> Call:
        messages = [{"role": "user", "content": QUESTIONS[number % len(QUESTIONS)]}]
        return Call(path="/v1/chat/completions", body={"model": model, "messages": messages})

    return call
