"""Reads calls out of the text of an answer, character by character.

    said --trigger--> name -> mark -> arguments -> mark -> name ... -> said
                |                                     '-> the last: what follows is text again
                '- what does not go on like a call is text

White space in marks does not count, so that what a model writes a little otherwise reads alike.
"""

import re
from collections.abc import Callable

from models.chat.parts import Arguments, Called, Part, Said, joined
from models.chat.syntax import CallSyntax

_NAME_CHAR = re.compile(r"[a-zA-Z0-9_.-]")


class JsonObject:
    """Finds the end of a JSON object that comes character by character."""

    def __init__(self) -> None:
        self.is_new = True
        self._depth = 0
        self._in_string = False
        self._is_escaped = False

    def ends_with(self, char: str) -> bool:
        """Takes the next character and says whether the object ends with it."""
        self.is_new = False
        if self._in_string:
            if self._is_escaped or char == "\\":
                self._is_escaped = not self._is_escaped
            elif char == '"':
                self._in_string = False
            return False
        self._in_string = char == '"'
        self._depth += (char in "{[") - (char in "}]")
        return self._depth == 0


class CallReader:
    """Reads the calls of a family. See `PartReader`."""

    def __init__(self, syntax: CallSyntax) -> None:
        self._syntax = syntax
        self._step: Callable[[str], list[Part]] = self._say
        self._held = ""  # of the answer, not yet told apart
        self._wanted: list[str] = []  # marks that may stand here, without white space
        self._matched = ""
        self._name = ""
        self._num_calls = 0
        self._has_text = False
        self._object = JsonObject()

    def push(self, text: str) -> list[Part]:
        """Adds text and gives the parts that are settled."""
        return joined([part for char in text for part in self._step(char)])

    def flush(self) -> list[Part]:
        """Gives text that was held back; a call that was cut off stays as it is."""
        held, self._held = self._held, ""
        is_text = self._step in (self._say, self._enter)
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
        elif found is False:
            self._step = self._say
            text, self._held = self._held, ""
            return [Said(text=text)]
        return []

    def _begin_name(self) -> None:
        self._name = ""
        self._step = self._read_name

    def _read_name(self, char: str) -> list[Part]:
        if _NAME_CHAR.fullmatch(char):
            self._name += char
            return []
        if not self._name and char.isspace():
            return []
        self._await(self._before_arguments, self._syntax.before_arguments)
        self._held = ""
        begun = Called(index=self._num_calls, name=self._name)
        self._num_calls += 1
        return [begun, *self._step(char)]

    def _before_arguments(self, char: str) -> list[Part]:
        if self._match(char) or not self._wanted:
            self._object = JsonObject()
            self._step = self._read_arguments
        return []

    def _read_arguments(self, char: str) -> list[Part]:
        index = self._num_calls - 1
        if self._object.is_new and char.isspace():
            return []
        if self._object.ends_with(char):
            self._await(self._after_arguments, self._syntax.after)
            if not self._wanted:
                self._await_next()
        return [Arguments(index=index, text=char)]

    def _after_arguments(self, char: str) -> list[Part]:
        if self._match(char) is not None:
            self._await_next()
        return []

    def _await_next(self) -> None:
        self._held = ""
        self._await(self._next, self._syntax.between, self._syntax.closing)

    def _next(self, char: str) -> list[Part]:
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
