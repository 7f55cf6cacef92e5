"""The form of one answer, told with its first chunk, and what reads an answer of that form."""

from dataclasses import dataclass

from models.chat.families import syntax_of
from models.chat.harmony import HARMONY, HarmonyReader
from models.chat.parts import PartReader
from models.chat.reading import CallReader
from models.chat.thinking import TextReader, ThinkingReader, marks_of


@dataclass(frozen=True, kw_only=True)
class ReplyForm:
    """What may stand in the text of an answer.

    Attributes:
        tools: the family that its calls are written as; empty: it has none.
        thinking: the marks around its thoughts, by their name; empty: it has none. `harmony` in
            both is no family and no marks but the channels of `harmony.py`.
        is_thinking: whether it begins with thoughts, since the prompt has the first mark.
        texts: tools and their parameters that are written as they are, not as JSON.
        calls_end_thoughts: whether the mark that opens a call ends thoughts, as their own does; the
            mask of the answer holds it to calls there, so not where it cannot tell that mark.
        may_lack_mark: whether thoughts may come without their first mark, so that text is held back
            until it is told from thoughts.
        nullable: those of `texts` that may be null.
    """

    tools: str = ""
    thinking: str = ""
    is_thinking: bool = False
    texts: tuple[tuple[str, str], ...] = ()
    calls_end_thoughts: bool = True
    may_lack_mark: bool = False
    nullable: tuple[tuple[str, str], ...] = ()


def reader_of(form: ReplyForm) -> PartReader:
    """Makes what reads one answer."""
    if form.thinking == HARMONY:
        return HarmonyReader(has_tools=bool(form.tools))
    syntax = syntax_of(form.tools) if form.tools else None
    reader: PartReader = CallReader(syntax, form.texts, form.nullable) if syntax else TextReader()
    if not form.thinking:
        return reader
    # Elsewhere the mark is a bracket or the begin of JSON, of which thoughts have many.
    ends = syntax is not None and syntax.anywhere and form.calls_end_thoughts
    return ThinkingReader(
        marks_of(form.thinking), is_begun=form.is_thinking, answer=reader,
        trigger=syntax.trigger if syntax and ends else "", is_held=form.may_lack_mark,
    )  # fmt: skip
