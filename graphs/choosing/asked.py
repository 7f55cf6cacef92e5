"""What is known of a question when its answer is to be written: how hard it may be.

Plain numbers, so that a rule can bound them and a trained router can weigh them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from graphs.pipeline.events import ChatRequest, Passage
from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.question import parts_of
from graphs.router_weights import FEATURES


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question with its passages, in numbers.

    Attributes:
        question_words: of the last message.
        parts: things that are asked.
        wants_list: 1 where a list may be meant, else 0.
        is_yes_no: 1 where yes or no may be the answer, else 0.
        names_identifier: 1 where a number or a code is named that must be met exactly, else 0.
        turns: of the chat, the last included.
        passages: that are read.
        passage_chars: of the text that is read of them.
        best_score: of the most relevant one, 0..1; 0 without any.
        margin: between its score and that of the next one; its own score where it is alone.
        documents: that they are from.
        is_formed: whether tools, a form or an effort are asked for, or no passage is searched.
        is_reranked: whether the scores are the reranker's, not those of the search.
    """

    question_words: float
    parts: float
    wants_list: float
    is_yes_no: float
    names_identifier: float
    turns: float
    passages: float
    passage_chars: float
    best_score: float
    margin: float
    documents: float
    is_formed: bool = False
    is_reranked: bool = True

    def numbers(self) -> list[float]:
        """Gives the values of `FEATURES`, in that order."""
        return [float(getattr(self, name)) for name in FEATURES]


assert set(FEATURES) < {one.name for one in fields(Asked)}


def asked_of(
    request: ChatRequest, passages: Sequence[Passage], *, is_reranked: bool = True
) -> Asked:
    """Measures a question.

    Args:
        request: the chat.
        passages: that its answer is written from, best first.
        is_reranked: whether the reranker scored them.
    """
    question = request.messages[-1].text
    parts = parts_of(question) or [Part(text=question)]
    scores = sorted((one.score for one in passages), reverse=True)
    best, second = [*scores, 0.0, 0.0][:2]
    return Asked(
        question_words=len(question.split()),
        parts=len(parts),
        wants_list=any(one.wants_list or one.wants_steps for one in parts),
        is_yes_no=any(one.is_polar for one in parts),
        names_identifier=any(one.identifiers for one in parts),
        turns=sum(one.role == "user" for one in request.messages),
        passages=len(passages),
        passage_chars=sum(len(one.excerpt) for one in passages),
        best_score=best,
        margin=best - second,
        documents=len({one.file_id for one in passages}),
        is_formed=_is_formed(request),
        is_reranked=is_reranked,
    )


def _is_formed(request: ChatRequest) -> bool:
    asks = (request.constraint, request.tools, request.exchange, request.effort, request.adapter)
    return any(asks) or not request.retrieves
