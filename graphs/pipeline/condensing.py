"""From a chat to the question that is searched for, and by which passages are judged.

Q: How large may a PDF be?
A: 32 megabytes.
Q: And a Word file?    generate ->  "How large may a Word file be?"
                       join     ->  "And a Word file?", and what it leans on:
                                    "How large may a PDF be? 32 megabytes."

A question that leans on nothing is judged by itself, whatever was talked of before. One that does
is searched for in both forms, and a passage has to suit both (`FollowUpReranker`): alone, "And a
Word file?" does not say what of it is asked; joined, the passage of the answer before suits best.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graphs.config import RetrievalSettings
from graphs.pipeline.events import ChatRequest, Message
from graphs.pipeline.markers import without_markers
from graphs.pipeline.prompt import NO_ANSWER, condense_messages, rewrite_messages
from graphs.pipeline.quoting.spelling import corrected
from graphs.pipeline.quoting.words import all_stems, content_stems
from graphs.pipeline.small_talk import small_talk
from graphs.pipeline.stages import RerankStage
from graphs.pipeline.trace import Trace
from graphs.pipeline.writing import Writer
from graphs.settings import DeadlineSettings
from graphs.together import together
from index.searching.request import Hit
from models.reranker import RerankScores
from models.scores import logit, sigmoid

_MAX_TOKENS = 96
_MAX_QUESTIONS = 3  # that a question may lean on: it, and those that this one leans on
_MAX_CHARS = 300  # of a turn that is leant on
_SAID_PENALTY = 3.0  # a logit: who asks on seldom wants to hear the same sentence again

_WORD = re.compile(r"[^\W_]+")
_SHORT_WORDS = 3  # "And in winter?", "Why?", "Warum?"
_FEW_WORDS = 6
_OPENERS = re.compile(
    r"\W*(?:and|or|but|so|no|nope|sorry|then|what about|how about|what if|why|i meant?|instead|also"
    r"|und|oder|aber|nein|was ist mit|wie ist es mit|et|ou|mais|non|qu'en est-il|y|o|pero|ma|och|en"
    r"|и|но)\b",
    re.IGNORECASE,
)
_LEANS = frozenset(
    [
        *("it", "its", "they", "them", "their", "theirs", "that", "this", "those", "these"),
        *("he", "she", "him", "her", "his", "hers", "one", "ones", "other", "others", "another"),
        *("else", "same", "former", "latter", "er", "sie", "es", "ihn", "ihm", "ihr", "ihnen"),
        *("deren", "dessen", "il", "elle", "ils", "elles", "lui", "leur"),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """The last message of a chat, for its readers.

    Attributes:
        asked: what the generator is asked, and what passages are judged by.
        context: what it leans on of the turns before; empty: it stands alone.
        before: the questions of the context, without the answer.
        said: the answer before it, where it leans on that.
    """

    asked: str
    before: str = ""
    context: str = ""
    said: str = ""

    def joined(self, text: str) -> str:
        """Puts what is leant on before a text."""
        return f"{self.context} {text}" if self.context else text


class Condenser:
    """Settles the question, as `condense` of the settings says."""

    def __init__(self, deadline: DeadlineSettings, writer: Writer) -> None:
        self._deadline = deadline
        self._writer = writer

    async def condense(self, request: ChatRequest, trace: Trace) -> Question:
        """Gives the question; without the generator's help, with what it leans on."""
        how = request.retrieval.condense
        alone = Question(asked=request.messages[-1].text)
        if how == "off" or not _exchanges(request.messages):
            return alone
        if how == "generate" and trace.allows("condense", self._deadline.condense_s):
            rewritten = await self._writer.write(
                "condense",
                condense_messages(request.messages),
                trace,
                max_tokens=_MAX_TOKENS,
                timeout_s=request.retrieval.expand_timeout_s,
            )
            if rewritten:
                return Question(asked=rewritten)
        return _leaning(request.messages) if leans_on_chat(alone.asked) else alone


class Rewriter:
    """Puts the queries of a search in the words that find more, where that is asked for.

    A generator that writes does it (`condense: generate`); else misspelt words are corrected by
    what was found.
    """

    def __init__(self, deadline: DeadlineSettings, writer: Writer) -> None:
        self._deadline = deadline
        self._writer = writer

    async def rewritten(
        self,
        queries: Sequence[str],
        settings: RetrievalSettings,
        trace: Trace,
        find: Callable[[str], Awaitable[Sequence[Hit]]],
    ) -> list[str]:
        """Gives a query for each; one that cannot be rewritten stays as it is."""
        writes = settings.condense == "generate"
        if writes and not trace.allows("rewrite", self._deadline.condense_s):
            return list(queries)
        if not writes:
            found = [await find(query) for query in queries]
            pairs = zip(queries, found, strict=True)
            return [await asyncio.to_thread(corrected, *pair) for pair in pairs]
        texts = [
            await self._writer.write(
                "rewrite",
                rewrite_messages(query),
                trace,
                max_tokens=_MAX_TOKENS,
                timeout_s=settings.expand_timeout_s,
            )
            for query in queries
        ]
        return [text or query for text, query in zip(texts, queries, strict=True)]


def leans_on_chat(question: str) -> bool:
    """Says whether a question may need the turns before it: it is short, or its words say so."""
    words = _WORD.findall(question[:2000].lower())
    is_short = len(words) <= _SHORT_WORDS
    if len(words) <= _FEW_WORDS:  # "What is the deposit?" does not say of what
        is_short |= len(content_stems(question)) <= 1
    return is_short or not _LEANS.isdisjoint(words) or _OPENERS.match(question) is not None


@dataclass(frozen=True, kw_only=True)
class _Exchange:
    """A question of the chat and what was answered; small talk is none."""

    question: str
    answer: str


def _exchanges(messages: Sequence[Message]) -> list[_Exchange]:
    exchanges: list[_Exchange] = []
    is_talk = False
    for turn in messages[:-1]:
        if turn.role == "user":
            is_talk = small_talk(turn.text) is not None
            if not is_talk and turn.text.strip():
                exchanges.append(_Exchange(question=turn.text.strip(), answer=""))
        elif turn.role == "assistant" and exchanges and not is_talk:
            answer = without_markers(turn.text).strip()
            known = "" if answer == NO_ANSWER else answer
            exchanges[-1] = _Exchange(question=exchanges[-1].question, answer=known)
    return exchanges


def _leaning(messages: Sequence[Message]) -> Question:
    """Joins the questions back to one that stands alone, and the last answer."""
    recent = _exchanges(messages)[-_MAX_QUESTIONS:]
    first = len(recent) - 1
    while first and leans_on_chat(recent[first].question):
        first -= 1
    before = " ".join(one.question[:_MAX_CHARS] for one in recent[first:])
    said = recent[-1].answer
    context = f"{before} {said[:_MAX_CHARS]}".strip()
    return Question(asked=messages[-1].text, context=context, before=before, said=said)


class FollowUpReranker:
    """Scores documents for a question that leans on others: the mean of both forms, on logits.

    What says nothing alone ("and until when?") is scored in its longer form only.
    """

    def __init__(self, reranker: RerankStage, question: Question) -> None:
        self._reranker = reranker
        self._question = question

    async def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Scores every document against the query, in the same order.

        Args:
            query: the question, or a part of it.
            documents: each a line of titles, and a text.
        """
        forms = [self._question.joined(query)]
        if content_stems(query):  # "From when until when?" says nothing alone
            forms.append(query)
        async with together() as group:
            tasks = [group.create_task(self._reranker.rerank(form, documents)) for form in forms]
        found = [task.result() for task in tasks]
        logits = np.mean([logit(one.scores) for one in found], axis=0)
        logits -= _SAID_PENALTY * np.asarray([self._was_said(query, one) for one in documents])
        return RerankScores(
            scores=sigmoid(logits).astype(np.float32),
            num_tokens=sum(one.num_tokens for one in found),
        )

    def _was_said(self, query: str, document: str) -> bool:
        """Says whether a text was the answer before, and holds nothing of what is asked now."""
        text = document.partition("\n")[2].strip()
        if not text or text not in self._question.said:
            return False
        return not set(content_stems(query)) & all_stems(text)
