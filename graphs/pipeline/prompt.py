"""The prompts. The bundled generator is trained on exactly the one of `answer_messages`."""

from collections.abc import Sequence
from typing import Protocol

from index.chunk import split_sentences
from models.generation import Message

NO_ANSWER = "I don't know."

_ANSWER = (
    "Answer the question with facts from the numbered passages only. "
    "After each statement, cite its passage as [n]. "
    f"If the passages do not hold the answer, reply: {NO_ANSWER}"
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


def answer_messages(question: str, passages: Sequence[NumberedPassage]) -> tuple[Message, ...]:
    """Asks for an answer from passages, best first."""
    blocks = [passage_block(number, passage) for number, passage in enumerate(passages, start=1)]
    content = "".join(blocks) + f"Question: {question}"
    return (Message(role="system", content=_ANSWER), Message(role="user", content=content))


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
