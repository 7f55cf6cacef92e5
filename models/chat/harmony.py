r"""Answers of gpt-oss, which are messages in channels, and what is read of them (Harmony).

    <|channel|>analysis<|message|>                                      thoughts  <|end|>
    <|start|>assistant<|channel|>commentary to=functions.f json<|message|>  {...}  <|call|>
    <|start|>assistant<|channel|>final<|message|>                         answer  <|return|>
    |----------------------- header -----------------------|             | body | end |

What stands in the channel `commentary` without a recipient is said before a call, so it is text as
well. Models write a recipient before its channel, too, and calls into the channel of thoughts
(llama.cpp#15181, vllm#28139). See github.com/openai/harmony.
"""

import re
from collections.abc import Sequence

from models.chat.parameter_reading import JsonObject
from models.chat.parts import Arguments, Called, Part, Said, Thought

HARMONY = "harmony"
START, CHANNEL, CONSTRAIN, MESSAGE, END, CALL, RETURN = MARKS = (
    "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>"
)  # fmt: skip
NAMESPACE = "functions."
_ENDS = (START, CHANNEL, END, CALL, RETURN)  # of a body; models may leave out its own
_HEADS = (START, CHANNEL, CONSTRAIN, MESSAGE, "to=")  # what a header begins with
_CHANNEL = re.compile(re.escape(CHANNEL) + r"\s*(\w+)")
_RECIPIENT = re.compile(r"\bto=([\w.-]+)")


def is_harmony(template: object) -> bool:
    """Says whether a chat template writes Harmony's channels."""
    return f"{CHANNEL}analysis" in str(template)


class HarmonyReader:
    """Reads the messages of an answer. See `PartReader`.

    Args:
        has_tools: whether it may call any; else what is meant for one is a thought.
    """

    def __init__(self, *, has_tools: bool) -> None:
        self._has_tools = has_tools
        self._held = ""
        self._kind = ""  # of the body at hand; empty: a header is read
        self._last: type[Part] | None = None  # kind of what was given last
        self._is_new = False  # whether nothing of the body was given yet
        self._num_calls = 0
        self._arguments = JsonObject()

    @property
    def is_thinking(self) -> bool:
        """Whether the next text is thoughts."""
        return self._kind == "thought"

    def push(self, text: str) -> Sequence[Part]:
        """Adds text and gives the parts that are settled."""
        self._held += text
        parts: list[Part] = []
        before = None
        while before != (self._kind, self._held):
            before = self._kind, self._held
            parts += self._read_body() if self._kind else self._read_header()
        return parts

    def flush(self) -> Sequence[Part]:
        """Gives what was held back; of a header that was cut off, nothing."""
        held, self._held = self._held, ""
        return [*self._given(held), *self._ended()] if self._kind else []

    def _read_header(self) -> list[Part]:
        seen = self._held.lstrip()
        if seen and not any(one.startswith(seen[: len(one)]) for one in _HEADS):
            self._open("said")  # a model may write text without any
            return []
        header, mark, rest = self._held.partition(MESSAGE)
        if not mark:
            return []
        self._held = rest
        recipient, channel = _RECIPIENT.search(header), _CHANNEL.search(header)
        if recipient is not None:
            return self._address(recipient.group(1))
        self._open("thought" if channel and channel.group(1) == "analysis" else "said")
        return []

    def _address(self, recipient: str) -> list[Part]:
        name = recipient.removeprefix(NAMESPACE)
        if not self._has_tools or name == recipient:
            self._open("thought")
            return []
        self._open("call")
        self._arguments = JsonObject()
        self._num_calls += 1
        return [Called(index=self._num_calls - 1, name=name)]

    def _open(self, kind: str) -> None:
        self._kind, self._is_new = kind, True

    def _read_body(self) -> list[Part]:
        held = self._held
        found = [(at, mark) for mark in _ENDS if (at := held.find(mark)) >= 0]
        if found:
            at, mark = min(found)
            begins_next = mark in {START, CHANNEL}
            self._held = held[at if begins_next else at + len(mark) :]
            parts = [*self._given(held[:at]), *self._ended()]
            self._kind = ""
            return parts
        opens = (at for at in range(len(held)) if any(one.startswith(held[at:]) for one in _ENDS))
        settled = held[: next(opens, len(held))]
        self._held = held[len(settled) :]
        return self._given(settled)

    def _given(self, text: str) -> list[Part]:
        if self._kind == "call":
            return self._argued(text)
        kind = Thought if self._kind == "thought" else Said
        gap = "\n\n" if self._is_new and text and self._last is kind else ""
        if not text:
            return []
        self._last, self._is_new = kind, False
        return [kind(text=gap + text)]

    def _argued(self, text: str) -> list[Part]:
        settled = "".join(self._arguments.push(one) for one in text if not self._arguments.is_ended)
        if not settled:
            return []
        self._last, self._is_new = Arguments, False
        return [Arguments(index=self._num_calls - 1, text=settled)]

    def _ended(self) -> list[Part]:
        """Gives what a call lacks that has no arguments."""
        if self._kind != "call" or not self._is_new:
            return []
        return [Arguments(index=self._num_calls - 1, text="{}")]
