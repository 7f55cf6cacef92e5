"""The form of one answer, told with its first chunk, and what reads an answer of that form."""

from dataclasses import dataclass

from models.chat.families import syntax_of
from models.chat.parts import PartReader
from models.chat.reading import CallReader
from models.chat.thinking import TextReader, ThinkingReader, marks_of


@dataclass(frozen=True, kw_only=True)
class ReplyForm:
    """What may stand in the text of an answer.

    Attributes:
        tools: the family that its calls are written as; empty: it has none.
        thinking: the marks around its thoughts, by their name; empty: it has none.
        is_thinking: whether it begins with thoughts, since the prompt has the first mark.
        texts: tools and their parameters that are written as they are, not as JSON.
    """

    tools: str = ""
    thinking: str = ""
    is_thinking: bool = False
    texts: tuple[tuple[str, str], ...] = ()


def reader_of(form: ReplyForm) -> PartReader:
    """Makes what reads one answer."""
    reader: PartReader = (
        CallReader(syntax_of(form.tools), form.texts) if form.tools else TextReader()
    )
    if form.thinking:
        marks = marks_of(form.thinking)
        reader = ThinkingReader(marks, is_begun=form.is_thinking, answer=reader)
    return reader
