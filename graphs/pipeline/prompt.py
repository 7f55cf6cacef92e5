"""The prompts, and what `rag` keeps of a client's turns.

    system, developer   all of them, in their order, after the rules: they steer how it is answered
                        (language, length, tone), within the rules
    user, the last      the question
    user, assistant     earlier turns: they enter the search (`condense` of the settings), and a
                        generator that answers freely reads the newest of them, whole, up to
                        `history_tokens`; markers of earlier answers are taken out

What of this could not be done is told in `degraded`: `history` when earlier turns did not fit, or
were of the user without an answer, `instructions` when `answers: quote` leaves nothing to steer;
there earlier turns enter the search alone. The bundled generator is trained on exactly the
prompt without instructions and earlier turns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from graphs.pipeline.markers import without_markers
from index.sentences import split_sentences
from models.generation import Message

NO_ANSWER = "I don't know."
QUOTES_ONLY = (
    "This model only chooses sentences of documents to quote, it cannot chat. "
    "Ask the model 'rag', or 'rag:<vector store>'."
)

_ANSWER = (
    "Answer the question with facts from the numbered passages only. "
    "After each statement, cite its passage as [n]. "
    f"If the passages do not hold the answer, reply: {NO_ANSWER}"
)
_INSTRUCTIONS = (
    "The application adds these instructions. Follow them in how you answer, as far as the rules "
    "above allow:"
)
_CONDENSE = (
    "Rewrite the last question of this conversation so that it can be understood without the "
    "rest. Keep its language. Reply with the question alone."
)


class NumberedPassage(Protocol):
    """What of a passage goes into the prompt."""

    @property
    def title(self) -> str:
        """One line."""
        ...

    @property
    def excerpt(self) -> str:
        """The passage, or what of it is to be read."""
        ...


def passage_block(number: int, passage: NumberedPassage) -> str:
    """Writes one passage as the generator reads it."""
    return f"[{number}] {passage.title}\n{passage.excerpt}\n\n"


def question_text(question: str, passages: Sequence[NumberedPassage]) -> str:
    """Writes the passages, best first, and the question below them."""
    blocks = [passage_block(number, one) for number, one in enumerate(passages, start=1)]
    return "".join(blocks) + f"Question: {question}"


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """All of a prompt but its passages.

    Attributes:
        question: what is asked.
        instructions: of the application, each as it came.
        turns: earlier ones, oldest first; the first is the user's.
    """

    question: str
    instructions: tuple[str, ...] = ()
    turns: tuple[Message, ...] = ()

    def messages(self, passages: Sequence[NumberedPassage]) -> tuple[Message, ...]:
        """Asks for an answer from passages, best first."""
        rules = _ANSWER
        if self.instructions:
            rules = "\n\n".join([_ANSWER, _INSTRUCTIONS, *self.instructions])
        return (
            Message(role="system", content=rules),
            *self.turns,
            Message(role="user", content=question_text(self.question, passages)),
        )


def instructions_of(messages: Sequence[Message]) -> tuple[str, ...]:
    """Gives what the application says of how to answer."""
    texts = [one.text.strip() for one in messages if one.role in ("system", "developer")]
    return tuple(text for text in texts if text)


def earlier_turns(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Gives what was said before the question, as the generator may read it.

    Turns of one side that follow one another become one, since chat templates demand that the
    sides alternate. Blank ones are left out.
    """
    said = [
        (one.role, without_markers(one.text) if one.role == "assistant" else one.text)
        for one in messages[:-1]
        if one.role in ("user", "assistant")
    ]
    return alternating([Message(role=role, content=text) for role, text in said if text.strip()])


def alternating(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Joins turns of one side that follow one another; a turn that stands alone stays as it is."""
    groups = [list(turns) for _, turns in groupby(messages, key=attrgetter("role"))]
    return tuple(
        turns[0]
        if len(turns) == 1
        else Message(role=turns[0].role, content="\n\n".join(turn.text for turn in turns))
        for turns in groups
    )


def quotable_answers(passages: Sequence[NumberedPassage]) -> tuple[str, ...]:
    """Lists the answers that quote: each sentence of the passages with its marker.

    Declining is none of them: which passages are relevant was settled by their scores.
    """
    return tuple(
        f"{sentence} [{number}]"
        for number, passage in enumerate(passages, start=1)
        for sentence in split_sentences(passage.excerpt)
    )


def wordings_messages(question: str, count: int) -> tuple[Message, ...]:
    """Asks for a question in other words, one wording a line."""
    asked = (
        f"Write {count} other wordings of the question, as a search in documents would need them, "
        "one a line. Keep its language. Reply with the lines alone."
    )
    return (Message(role="system", content=asked), Message(role="user", content=question))


def rewrite_messages(query: str) -> tuple[Message, ...]:
    """Asks for what to look for where somebody has asked in whole sentences."""
    asked = (
        "Rewrite the request as a short query for a search in documents: keep names, numbers and "
        "what is asked, leave out greetings and how it is asked, and correct the spelling. Keep "
        "its language. Reply with the query alone."
    )
    return (Message(role="system", content=asked), Message(role="user", content=query))


def hypothesis_messages(question: str, _count: int = 1) -> tuple[Message, ...]:
    """Asks for a passage that could hold the answer."""
    asked = (
        "Write a passage of two or three sentences, as it could stand in a document, that answers "
        "the question. Keep its language. Reply with the passage alone."
    )
    return (Message(role="system", content=asked), Message(role="user", content=question))


def condense_messages(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Asks for the last question of a chat as one that stands alone."""
    turns = [f"{turn.role}: {turn.text}" for turn in messages if turn.role in ("user", "assistant")]
    return (
        Message(role="system", content=_CONDENSE),
        Message(role="user", content="\n".join(turns)),
    )
