"""Reads calls out of the text of an answer, character by character.

    said --trigger--> name -> mark -> arguments -> mark -> name ... -> said
                |                                     '-> the last: what follows is text again
                '- what does not go on like a call is text

White space in marks does not count, so that what a model writes a little otherwise reads alike.
What stops being like a call before its arguments is text.
"""

import re
from collections.abc import Callable, Sequence

from models.chat.parameter_reading import ArgumentsReader, JsonObject, ParametersReader
from models.chat.parts import Arguments, Called, Part, Said, joined
from models.chat.syntax import CallSyntax

_NAME_CHAR = re.compile(r"[a-zA-Z0-9_.-]")
_NUMBER = re.compile(r":\d*$")


class CallReader:
    """Reads the calls of a family. See `PartReader`.

    Args:
        syntax: how it writes calls.
        texts: tools and their parameters that are written as they are.
        nullable: those of them that may be null.
    """

    def __init__(
        self, syntax: CallSyntax, texts: Sequence[tuple[str, str]] = (),
        nullable: Sequence[tuple[str, str]] = (),
    ) -> None:  # fmt: skip
        self._syntax = syntax
        self._nullable = nullable
        self._texts = texts
        self._step: Callable[[str], list[Part]] = self._say
        self._held = ""  # of the answer, not yet told apart
        self._wanted: list[str] = []  # marks that may stand here, without white space
        self._matched = ""
        self._name = ""
        self._num_calls = 0
        self._has_text = False
        self._arguments: ArgumentsReader = JsonObject()

    def push(self, text: str) -> list[Part]:
        """Adds text and gives the parts that are settled."""
        return joined([part for char in text for part in self._step(char)])

    def flush(self) -> list[Part]:
        """Gives text that was held back; a call that was cut off stays as it is."""
        held, self._held = self._held, ""
        steps = [self._say, self._enter]
        if self._syntax.is_bare and self._num_calls == 0:
            steps += [self._read_name, self._before_arguments]
        if self._step == self._read_arguments and (rest := self._arguments.flush()):
            return [Arguments(index=self._num_calls - 1, text=rest)]
        is_text = self._step in steps
        return [Said(text=held)] if held and is_text else []

    def _say(self, char: str) -> list[Part]:
        self._held += char
        trigger = self._syntax.trigger
        if self._may_begin and self._held.endswith(trigger):
            text, self._held = self._held.removesuffix(trigger), trigger
            self._await(self._enter, self._syntax.first)
            return [Said(text=text)] if text else []
        text = self._held[: len(self._held) - self._num_open()]
        self._held = self._held[len(text) :]
        self._has_text |= bool(text.strip())
        return [Said(text=text)] if text else []

    @property
    def _may_begin(self) -> bool:
        return self._syntax.anywhere or not self._has_text

    def _num_open(self) -> int:
        """Counts the characters at the end that may become a trigger."""
        trigger, size = self._syntax.trigger, len(self._held)
        starts = range(max(0, size - len(trigger) + 1), size) if self._may_begin else ()
        return next((size - at for at in starts if trigger.startswith(self._held[at:])), 0)

    def _await(self, step: Callable[[str], list[Part]], *marks: str) -> None:
        self._wanted = ["".join(mark.split()) for mark in marks if mark.strip()]
        self._matched = ""
        self._step = step

    def _match(self, char: str) -> bool | None:
        """Takes a character of a mark: True: it is complete; False: none begins like this."""
        if char.isspace():
            return None
        self._matched += char
        self._wanted = [mark for mark in self._wanted if mark.startswith(self._matched)]
        if not self._wanted:
            return False
        return True if self._matched in self._wanted else None

    def _enter(self, char: str) -> list[Part]:
        if not self._wanted:  # the trigger was all
            self._begin_name()
            return self._step(char)
        self._held += char
        found = self._match(char)
        if found:
            self._begin_name()
        return self._unlike_a_call() if found is False else []

    def _unlike_a_call(self) -> list[Part]:
        text, self._held = self._held, ""
        self._step = self._say
        self._has_text = True
        return [Said(text=text)]

    def _begin_name(self) -> None:
        self._name = ""
        self._step = self._read_name

    def _read_name(self, char: str) -> list[Part]:
        self._held += char
        if _NAME_CHAR.fullmatch(char) or (char == ":" and self._syntax.is_numbered):
            self._name += char
            return []
        if not self._name:
            return [] if char.isspace() else self._unlike_a_call()
        self._name = self._untitled(self._name)
        if not self._name:
            return self._unlike_a_call()
        self._held = self._held[: -len(char)]
        self._await(self._before_arguments, self._syntax.before_arguments)
        if self._wanted:
            return self._step(char)
        begun = self._begin_arguments()
        return [*begun, *self._step(char)]

    def _untitled(self, title: str) -> str:
        name = title.removeprefix(self._syntax.namespace)
        return _NUMBER.sub("", name) if self._syntax.is_numbered else name

    def _before_arguments(self, char: str) -> list[Part]:
        self._held += char
        is_apart = self._syntax.is_bare and char.isspace()  # as in "[see (2)]"
        found = False if is_apart else self._match(char)
        if found:
            return self._begin_arguments()
        return self._unlike_a_call() if found is False else []

    def _begin_arguments(self) -> list[Part]:
        self._held = ""
        self._arguments = JsonObject()
        if self._syntax.parameters:
            texts, nullable = (
                frozenset(name for tool, name in named if tool == self._name)
                for named in (self._texts, self._nullable)
            )
            self._arguments = ParametersReader(
                self._syntax.parameters, self._syntax.after, texts, nullable
            )
        self._step = self._read_arguments
        self._num_calls += 1
        return [Called(index=self._num_calls - 1, name=self._name)]

    def _read_arguments(self, char: str) -> list[Part]:
        text = self._arguments.push(char)
        if self._arguments.is_ended:
            self._await(self._after_arguments, self._syntax.after)
            if self._syntax.parameters or not self._wanted:  # those end with that mark
                self._await_next()
        return [Arguments(index=self._num_calls - 1, text=text)] if text else []

    def _after_arguments(self, char: str) -> list[Part]:
        if self._match(char) is not None:
            self._await_next()
        return []

    def _await_next(self) -> None:
        self._held = ""
        self._await(self._next, self._syntax.between, self._syntax.closing)

    def _next(self, char: str) -> list[Part]:
        is_lined = self._syntax.between.isspace()  # calls stand on lines of their own
        if is_lined and not self._matched and _NAME_CHAR.fullmatch(char):
            self._held = ""
            self._begin_name()
            return self._step(char)
        self._held += char
        found = self._match(char)
        if found:
            is_closed = self._matched == "".join(self._syntax.closing.split())
            self._held = ""
            self._begin_name()
            if is_closed:
                self._step = self._rest
        elif found is False:
            text, self._held = self._held, ""
            self._step = self._rest
            return [Said(text=text)] if text.strip() else []
        return []

    def _rest(self, char: str) -> list[Part]:
        return [Said(text=char)]
