"""What a reasoning model thinks before it answers, told apart from its answer.

    <think> thoughts </think>   answer
    |------- Thought --------|  |-- read by the next reader --|

Some templates write the first mark into the prompt; then an answer begins with thoughts. Models
forget the last one before they call a tool: there the mark that opens a call ends thoughts as well.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.chat.parts import Part, PartReader, Said, Thought
from models.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class ThinkingMarks:
    """The tokens around thoughts.

    Attributes:
        label: a word that stands before thoughts, behind the first token; empty: none.
    """

    begin: str
    end: str
    label: str = ""


THINKING: dict[str, ThinkingMarks] = {
    # Qwen 3, DeepSeek R1 and V3.1, SmolLM 3, GLM 4.5
    "think": ThinkingMarks(begin="<think>", end="</think>"),
    "magistral": ThinkingMarks(begin="[THINK]", end="[/THINK]"),
    "seed": ThinkingMarks(begin="<seed:think>", end="</seed:think>"),
    "gemma4": ThinkingMarks(begin="<|channel>", end="<channel|>", label="thought"),
}


def thinking_of(template: object) -> str:
    """Names the marks that a chat template holds; empty: none."""
    text = str(template)
    found = (name for name, marks in THINKING.items() if re.search(re.escape(marks.end), text))
    return next(found, "")


def marks_of(name: str) -> ThinkingMarks:
    """Gives the marks of a family.

    Raises:
        InvalidInputError: there is none of this name.
    """
    if name not in THINKING:
        msg = f"reasoning_parser must be one of {', '.join(THINKING)}, got {name!r}"
        raise InvalidInputError(msg)
    return THINKING[name]


class TextReader:
    """Gives all text as the answer. See `PartReader`."""

    def push(self, text: str) -> Sequence[Part]:
        """Adds text and gives it."""
        return [Said(text=text)] if text else []

    def flush(self) -> Sequence[Part]:
        """Holds nothing back."""
        return []


class ThinkingReader:
    """Gives thoughts, and leaves the rest to the next reader. See `PartReader`.

    Args:
        marks: around thoughts.
        is_begun: whether the answer begins with thoughts, without the first mark.
        answer: reads what follows them.
        trigger: opens a call, and ends thoughts; empty: nothing but their own mark does.
        is_held: whether an answer without the first mark is held back until the last one tells that
            its begin was thoughts, or until there is no more of it.
    """

    def __init__(
        self, marks: ThinkingMarks, *, is_begun: bool, answer: PartReader, trigger: str = "",
        is_held: bool = False,
    ) -> None:  # fmt: skip
        self._marks = marks
        self._is_held = is_held
        self._answer = answer
        self._ends = tuple(mark for mark in (marks.end, trigger) if mark)
        self._state = "thinking" if is_begun else "start"
        self._label = "" if is_begun else marks.label  # yet to come
        self._has_thought = False
        self._held = ""

    @property
    def is_thinking(self) -> bool:
        """Whether the next text is thoughts."""
        return self._state == "thinking"

    def push(self, text: str) -> list[Part]:
        """Adds text and gives the parts that are settled."""
        if self._state == "answer":
            return list(self._answer.push(text))
        self._held += text
        parts: list[Part] = []
        if self._state == "start":
            self._begin()
        if self._state == "thinking":
            parts += self._think()
        if self._state == "gap" and (rest := self._held.lstrip()):
            self._state, self._held = "answer", ""
            parts += self._answer.push(rest)
        return parts

    def flush(self) -> list[Part]:
        """Gives what was held back."""
        held, self._held = self._held, ""
        if self._state == "thinking":
            is_label = self._label.startswith(held.strip())
            return [] if is_label else self._thought(held.rstrip())
        held = held.lstrip() if self._is_held else held
        said = self._answer.push(held) if self._state == "start" else []
        return [*said, *self._answer.flush()]

    def _begin(self) -> None:
        begin, seen = self._marks.begin, self._held.lstrip()
        if seen.startswith(begin):
            self._state, self._held = "thinking", seen.removeprefix(begin)
        elif seen and not begin.startswith(seen):
            self._state = self._unmarked()

    def _unmarked(self) -> str:
        """Says what a text is that begins without the first mark."""
        found = [(at, mark) for mark in self._ends if (at := self._held.find(mark)) >= 0]
        if found and min(found)[1] == self._marks.end and self._is_held:
            self._label = ""
            return "thinking"
        return "start" if self._is_held and not found else "gap"

    def _think(self) -> list[Part]:
        if self._label:
            seen = self._held.lstrip()
            if self._label.startswith(seen) and seen != self._label:
                return []
            self._held, self._label = seen.removeprefix(self._label), ""
        held = self._held
        found = [(at, mark) for mark in self._ends if (at := held.find(mark)) >= 0]
        if found:
            at, mark = min(found)
            after = at + len(mark) if mark == self._marks.end else at  # a call is read by the next
            self._state, self._held = "gap", held[after:]
            return self._thought(held[:at].rstrip())
        is_open = (
            at for at in range(len(held)) if any(one.startswith(held[at:]) for one in self._ends)
        )
        settled = held[: next(is_open, len(held))].rstrip()
        self._held = held[len(settled) :]
        return self._thought(settled)

    def _thought(self, text: str) -> list[Part]:
        if not self._has_thought:
            text = text.lstrip()
        self._has_thought |= bool(text)
        return [Thought(text=text)] if text else []
