"""The prompts, and what `rag` keeps of a client's turns.

    system, developer   all of them, in their order, after the rules: they steer how it is answered
                        (language, length, tone), within the rules
    user, the last      the question
    user, assistant     earlier turns: they enter the search (`condense` of the settings), and a
                        generator that answers freely reads the newest of them, whole, up to
                        `history_tokens`; markers of earlier answers are taken out

    calls of tools      those since the question, with their results, whole; not earlier ones
    tools               a generator that answers freely may call them, whatever was found

What of this could not be done is told in `degraded`: `history` when earlier turns did not fit, or
were of the user without an answer, `instructions` when `answers: quote` leaves nothing to steer;
there earlier turns enter the search alone, and no tool is called (`tools`). The bundled generator
is trained on exactly the prompt without instructions and earlier turns.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

from graphs.caller import Caller
from graphs.pipeline.markers import without_markers
from index.sentences import split_sentences
from models.chat.told_tools import tools_text
from models.chat.tools import ToolUse
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
_ANSWER_OR_CALL = (
    "Answer the question with facts from the numbered passages and from the results of tools only. "
    "After each statement from a passage, cite it as [n]. Call a tool where it helps to answer. "
    f"If neither passages nor tools hold the answer, reply: {NO_ANSWER}"
)
_INSTRUCTIONS = (
    "The application adds these instructions. Follow them in how you answer, as far as the rules "
    "above allow:"
)
_BY_KEY = b"prompt_cache_key"  # so that no key gives the name of a chat without one
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
        exchange: calls of tools since the question, and their results.
        tools: what may be called.
    """

    question: str
    instructions: tuple[str, ...] = ()
    turns: tuple[Message, ...] = ()
    exchange: tuple[Message, ...] = ()
    tools: ToolUse | None = None

    def messages(self, passages: Sequence[NumberedPassage]) -> tuple[Message, ...]:
        """Asks for an answer from passages, best first."""
        rules = _ANSWER_OR_CALL if self.tools or self.exchange else _ANSWER
        if self.instructions:
            rules = "\n\n".join([rules, _INSTRUCTIONS, *self.instructions])
        return (
            Message(role="system", content=rules),
            *self.turns,
            Message(role="user", content=question_text(self.question, passages)),
            *self.exchange,
        )

    def texts(self) -> list[str]:
        """Lists all that the generator reads beside passages and earlier turns, to be counted."""
        return [*texts_of(replace(self, turns=()).messages(())), *tool_texts(self.tools)]


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


def chat_id(caller: Caller, messages: Sequence[Message], cache_key: str = "") -> str:
    """Names a chat, alike in every Gateway: 16 hexadecimal digits of who asks it and what first.

    Every later request of a chat begins with its first question.

    Args:
        caller: who asks.
        messages: of the chat, oldest first; none: all of the caller's chats have one name.
        cache_key: names it for all of the tenant, whatever it begins with; empty: nothing does.
    """
    if cache_key:
        parts, kind = [caller.tenant, cache_key], _BY_KEY
    else:
        parts, kind = [caller.tenant, caller.key_id, caller.user or ""], b""
        parts += [one.text for one in messages if one.role == "user"][:1]
    data = "\0".join(parts).encode(errors="surrogatepass")
    return hashlib.blake2b(data, digest_size=8, person=kind).hexdigest()


def alternating(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Joins turns of one side that follow one another; a turn that stands alone stays as it is.

    Calls of tools and their results stay turns of their own.
    """
    groups = [list(turns) for _, turns in groupby(messages, key=_side)]
    return tuple(turn for turns in groups for turn in _joined(turns))


def _side(turn: Message) -> tuple[str, bool]:
    return turn.role, bool(turn.tool_calls or turn.tool_call_id is not None)


def _joined(turns: Sequence[Message]) -> Sequence[Message]:
    if len(turns) == 1 or turns[0].tool_calls or turns[0].tool_call_id is not None:
        return turns
    return [Message(role=turns[0].role, content="\n\n".join(turn.text for turn in turns))]


def texts_of(messages: Sequence[Message]) -> list[str]:
    """Lists what the generator reads of turns: texts, calls and their arguments."""
    calls = [call for turn in messages for call in turn.tool_calls]
    return [*(turn.text for turn in messages), *(f"{one.name} {one.arguments}" for one in calls)]


def tool_texts(use: ToolUse | None) -> list[str]:
    """Lists what it reads of tools."""
    return [] if use is None else [tools_text(use)]


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
