"""What is measured of one question: better when it is higher, but for what an answer takes."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.evaluate.sets import Question
from benchmarks.exam.judge import is_decline, normal, states

DEPTH = 10  # passages that a search may return
_OVERLAP = 0.6  # of the words of a context that a passage holds, to be that context
_WORD = re.compile(r"\w+")
# As they stand in reports, in this order.
MEASURES = (
    "recall", "ndcg", "mrr", "facts", "reference", "cited_precision", "cited_recall",
    "declined_rightly", "answered", "declined", "grounded", "replied", "answered_in_s", "tokens",
    "cost",
)  # fmt: skip
LOWER_IS_BETTER = frozenset({"answered_in_s", "tokens", "cost"})
_MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a million tokens cost, in any currency.

    Attributes:
        input: that are read.
        output: that are written.
    """

    input: float
    output: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """A passage of a search."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a system said to one question.

    Attributes:
        cited: names of the cited documents.
        passages: what it was given to read.
        grounded: share of its sentences that the cited passages support; None: not asked.
        request_id: for `python -m graphs.explain`.
    """

    answer: str
    cited: tuple[str, ...]
    passages: tuple[str, ...]
    found: tuple[Found, ...]
    latency_s: float
    request_id: str
    grounded: float | None = None
    num_prompt_tokens: int = 0
    num_completion_tokens: int = 0
    error: str = ""


def measured(question: Question, reply: Reply, prices: Prices | None = None) -> Mapping[str, float]:
    """Gives the measures that can be taken of a question.

    Whether it was declined rightly is told of all questions and of each kind by itself, since one
    hides what the other loses: `answered` of those that have an answer, `declined` of the others.
    Where the system replied with an error, it did neither and took no time.
    """
    declined = is_decline(reply.answer) or not reply.answer.strip()
    is_right = declined != question.expects_answer and not reply.error
    values = {
        "declined_rightly": float(is_right),
        "answered" if question.expects_answer else "declined": float(is_right),
        "replied": float(not reply.error),
    }
    if question.documents or question.contexts:
        values |= _retrieval(question, reply.found)
    if question.facts:
        stated = [states(reply.answer, spellings) for spellings in question.facts]
        values["facts"] = sum(stated) / len(stated)
    if question.reference:
        values["reference"] = _share(question.reference, reply.answer)
    if question.documents:
        right = set(question.documents) & set(reply.cited)
        values["cited_recall"] = len(right) / len(question.documents)
        if reply.cited:
            values["cited_precision"] = len(right) / len(set(reply.cited))
    if reply.grounded is not None and not declined:
        values["grounded"] = reply.grounded
    if not reply.error:
        values["answered_in_s"] = reply.latency_s
        values |= taken(reply.num_prompt_tokens, reply.num_completion_tokens, prices)
    return values


def taken(num_prompt: int, num_completion: int, prices: Prices | None) -> dict[str, float]:
    """Gives what a reply took: its tokens and, where prices are known, what they cost."""
    tokens = {"tokens": float(num_prompt + num_completion)}
    if prices is None:
        return tokens
    cost = num_prompt * prices.input + num_completion * prices.output
    return tokens | {"cost": cost / _MILLION}


def _retrieval(question: Question, found: Sequence[Found]) -> Mapping[str, float]:
    """Recall, nDCG and the reciprocal rank over documents, each counted where it comes first."""
    wanted = dict(question.documents) or dict.fromkeys(question.contexts, 1)
    ranked: list[str] = []
    for one in found:
        name = _wanted_name(question, one)
        if name not in ranked and name not in question.ignored:
            ranked.append(name)
    gains = [wanted.get(name, 0) for name in ranked[:DEPTH]]
    ideal = sorted(wanted.values(), reverse=True)[:DEPTH]
    first = next((place for place, gain in enumerate(gains, start=1) if gain), 0)
    return {
        "recall": sum(gain > 0 for gain in gains) / len(wanted),
        "ndcg": _dcg(gains) / _dcg(ideal),
        "mrr": 1 / first if first else 0.0,
    }


def _wanted_name(question: Question, found: Found) -> str:
    if question.documents:
        stem = found.name.rpartition(".")[0]
        return stem if stem in question.documents else found.name
    matching = (one for one in question.contexts if _share(one, found.text) >= _OVERLAP)
    return next(matching, found.text)


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, start=1))


def _share(wanted: str, text: str) -> float:
    """Gives the share of the words of a text that another one holds."""
    words = set(_WORD.findall(normal(wanted)))
    return len(words & set(_WORD.findall(normal(text)))) / len(words) if words else 0.0
