"""From a chat to the ids of its prompt, by the model's own chat template.

What a template can do is tried out when a model is loaded, since templates are programs: whether
it writes a system turn and tools, how it wants arguments, and how many calls a turn may have.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2.exceptions import TemplateError

from models.chat.families import GENERIC, family_of, syntax_of
from models.chat.harmony import CHANNEL, HARMONY, MARKS, MESSAGE, is_harmony
from models.chat.reply import ReplyForm
from models.chat.thinking import marks_of, thinking_of
from models.chat.told_tools import told
from models.chat.tools import Tool, ToolUse
from models.chat.turns import TemplateTurn, TurnWriter
from models.errors import InvalidInputError
from models.generation import Effort, Message, ToolCall
from models.token_counter import SpecialTokens

_PROBE = "probe_x7"
# Variables by which templates turn thoughts on and off, or say how long they may be.
_SWITCHES = ("enable_thinking", "thinking")
_EFFORT = "reasoning_effort"
_TAIL_IDS = 8  # of a prompt: the mark that ends thoughts, and what may stand behind it
# What Harmony's templates know of; its models think always.
_HARMONY_EFFORTS: dict[Effort, Effort] = {"none": "low", "minimal": "low", "xhigh": "high"}
_ASKED = Message(role="user", content="a")


class Prompting:
    """Writes the prompts of one model, and says what its answers look like.

    Args:
        tokenizer: of transformers.
        options: variables of the chat template.
        model: how errors name it.
        tool_parser: the family of its calls; None: as its template tells.
        reasoning_parser: the marks of its thoughts; None: as its template tells.

    Raises:
        InvalidInputError: there is no such family, or the model lacks the marks.
    """

    def __init__(
        self, tokenizer: Any, options: Mapping[str, Any], *, model: str,
        tool_parser: str | None = None, reasoning_parser: str | None = None,
    ) -> None:  # fmt: skip
        self._tokenizer = tokenizer
        self._special = SpecialTokens(control_tokens(tokenizer))
        self._options = options
        self._model = model
        template = tokenizer.chat_template
        added = tokenizer.added_tokens_decoder.items()
        self._ids = {str(token.content): int(token_id) for token_id, token in added}
        self.control_ids = {str(one.content): int(at) for at, one in added if one.special}
        # llguidance takes added tokens of this form for control tokens, whatever they say they are:
        # Qwen's <tool_call> is one.
        self.grammar_ids = {
            name: at for name, at in self._ids.items()
            if name in self.control_ids or re.fullmatch(r"<.*>", name, re.DOTALL)
        }  # fmt: skip
        self.is_harmony = is_harmony(template)
        if self.is_harmony:
            self._check_harmony(tool_parser or reasoning_parser)
        self._thinking = self._marks(template, reasoning_parser)
        self._turns = TurnWriter(template, self._special.with_more(self._thought_marks()))
        self._has_system = _PROBE in self._tried([Message(role="system", content=_PROBE), _ASKED])
        use = ToolUse(tools=(Tool(name=_PROBE),))
        self._has_tools = _PROBE in self._tried([_ASKED], use)
        self.family = tool_parser or family_of(template) if self._has_tools else GENERIC
        self._told_in = syntax_of(tool_parser or GENERIC)
        if not self._has_tools and tool_parser:
            self.family = tool_parser
        self._switches = tuple(name for name in _SWITCHES if self._is_switch(name))
        self._thinks_unasked = bool(self._thinking) and (
            reasoning_parser is not None or any(map(self._closes, self._switches))
        )
        self._fit_calls()
        if self.is_harmony:
            self.family, self._turns.splits_calls = HARMONY if self._has_tools else "", True

    def ids(
        self, messages: Sequence[Message], use: ToolUse | None = None, effort: Effort | None = None
    ) -> tuple[int, ...]:
        """Writes a prompt.

        Raises:
            InvalidInputError: the template refuses the chat, or the model cannot be asked for that.
        """
        if use is not None and not self.family:
            msg = (
                f"how {self._model} writes calls of tools is not known, so it cannot be given any; "
                "a `tool_parser` in its settings says so"
            )
            raise InvalidInputError(msg)
        if effort not in {None, "none"} and not (self._thinking or self.is_harmony):
            msg = f"{self._model} does not reason, so reasoning_effort must be 'none', got {effort}"
            raise InvalidInputError(msg)
        try:
            return tuple(self._filled(messages, use, effort, tokenize=True)["input_ids"])
        except InvalidInputError:
            raise
        except (TemplateError, TypeError, ValueError) as err:  # a model may have no template
            msg = f"the chat template of {self._model} refuses this chat: {err}"
            raise InvalidInputError(msg) from err

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Gives the ids of texts, control tokens broken, without template or special tokens."""
        safe = [self._special.neutralise(text) for text in texts]
        encoded = self._tokenizer(safe, add_special_tokens=False, verbose=False)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def form(
        self, prompt_ids: Sequence[int], use: ToolUse | None, *, is_free: bool = True
    ) -> ReplyForm:
        """Says what may stand in the answer to a prompt.

        Args:
            prompt_ids: of the prompt, which may have begun thoughts.
            use: the tools.
            is_free: whether nothing holds the answer, but for tools.
        """
        if self.is_harmony:
            return ReplyForm(tools=HARMONY if use else "", thinking=HARMONY)
        return ReplyForm(
            tools=self.family if use else "",
            thinking=self._thinking,
            is_thinking=bool(self._thinking) and self._is_open(prompt_ids),
            # What is held to a form cannot end thoughts that it has not begun.
            may_lack_mark=self._thinks_unasked
            and is_free
            and use is None
            and self._is_untold(prompt_ids),
            texts=syntax_of(self.family).texts(use) if use else (),
            nullable=syntax_of(self.family).nullable(use) if use else (),
            calls_end_thoughts=use is None or self.call_id is not None,
        )

    @property
    def call_id(self) -> int | None:
        """The id that opens a call wherever it stands; None: several ids spell that mark."""
        syntax = syntax_of(self.family)
        return self._ids.get(syntax.trigger) if syntax.anywhere else None

    @property
    def end_id(self) -> int:
        """The tokenizer's own end of a sequence."""
        return int(self._tokenizer.eos_token_id)

    @property
    def answer_head(self) -> tuple[int, ...]:
        """The ids that an answer has before its text: Harmony's channel of answers."""
        if not self.is_harmony:
            return ()
        (channel,) = self.encode(["final"])
        return self._ids[CHANNEL], *channel, self._ids[MESSAGE]

    def thought_ids(self) -> tuple[int, int] | None:
        """Gives the ids around thoughts; None: the model does not think."""
        if not self._thinking:
            return None
        marks = marks_of(self._thinking)
        return self._ids[marks.begin], self._ids[marks.end]

    def hidden_ids(self, form: ReplyForm) -> frozenset[int]:
        """Gives the control tokens that are no part of an answer's text."""
        if self.is_harmony:
            marks = "".join(MARKS)
        else:
            marks = "".join(syntax_of(form.tools).marks) if form.tools else ""
            marks += "".join(self._thought_marks())
        return frozenset(one for name, one in self.control_ids.items() if name not in marks)

    @property
    def takes_one_call(self) -> bool:
        """Whether a turn may have one call alone."""
        return self._turns.splits_calls

    def _marks(self, template: object, reasoning_parser: str | None) -> str:
        name = reasoning_parser or thinking_of(template)
        marks = marks_of(name) if name else None
        if marks is None or {marks.begin, marks.end} <= set(self._ids):
            return name
        if reasoning_parser is None:
            return ""
        msg = f"reasoning_parser {name!r} needs the tokens {marks}, which {self._model} lacks"
        raise InvalidInputError(msg)

    def _check_harmony(self, parser: str | None) -> None:
        if parser is not None:
            msg = f"{self._model} writes Harmony's channels, so there is no parser to set, got "
            raise InvalidInputError(f"{msg}{parser!r}")
        if missing := [mark for mark in MARKS if mark not in self.control_ids]:
            msg = f"Harmony's channels need control tokens, and {self._model} lacks {missing[0]}"
            raise InvalidInputError(msg)

    def _thought_marks(self) -> tuple[str, ...]:
        if not self._thinking:
            return ()
        marks = marks_of(self._thinking)
        return marks.begin, marks.end

    def _is_open(self, prompt_ids: Sequence[int]) -> bool:
        """Says whether the last of both marks in a prompt is the first one."""
        ids = self.thought_ids()
        last = next((one for one in reversed(prompt_ids) if ids and one in ids), None)
        return ids is not None and last == ids[0]

    def _is_untold(self, prompt_ids: Sequence[int]) -> bool:
        """Says whether a prompt neither begins thoughts nor ends with the end of some."""
        marks = marks_of(self._thinking)
        tail = str(self._tokenizer.decode(prompt_ids[-_TAIL_IDS:])).rstrip()
        return not self._is_open(prompt_ids) and not tail.endswith(marks.end)

    def _closes(self, switch: str) -> bool:
        """Says whether a prompt ends thoughts for a model that is to have none, and only then."""
        ends = [
            self._tried([_ASKED], options={switch: value})
            .rstrip()
            .endswith(marks_of(self._thinking).end)
            for value in (True, False)
        ]
        return ends == [False, True]

    def _filled(
        self, messages: Sequence[Message], use: ToolUse | None, effort: Effort | None = None, *,
        tokenize: bool,
    ) -> Any:  # fmt: skip
        tools = None
        if not self._has_tools:
            messages = told(
                messages, use, self._told_in, has_system=self._has_system,
                broken=self._turns.broken,
            )  # fmt: skip
        elif use is not None:
            tools = [self._turns.clean(tool.as_json()) for tool in use.tools]
        chosen: dict[str, object] = {}
        if effort is not None:
            value = _HARMONY_EFFORTS.get(effort, effort) if self.is_harmony else effort
            chosen = dict.fromkeys(self._switches, effort != "none") | {_EFFORT: value}
        turns = self._turns.write(messages, is_told=not self._has_tools)
        return self._fill(turns, tools, chosen, tokenize=tokenize)

    def _fill(
        self, turns: list[TemplateTurn], tools: Any, options: Mapping[str, Any], *, tokenize: bool
    ) -> Any:
        return self._tokenizer.apply_chat_template(
            turns, tools=tools, add_generation_prompt=True, tokenize=tokenize,
            **({"return_dict": True} if tokenize else {}), **{**self._options, **options},
        )  # fmt: skip

    def _is_switch(self, name: str) -> bool:
        """Says whether a variable of the template makes another prompt."""
        on, off = (self._tried([_ASKED], options={name: value}) for value in (True, False))
        return on != off

    def _tried(
        self, messages: Sequence[Message], use: ToolUse | None = None, *,
        options: Mapping[str, object] | None = None,
    ) -> str:  # fmt: skip
        """Writes a prompt as text; empty when the template refuses the chat."""
        tools = None if use is None else [tool.as_json() for tool in use.tools]
        try:
            return str(
                self._fill(self._turns.write(messages), tools, options or {}, tokenize=False)
            )
        except (TemplateError, TypeError, ValueError):
            return ""

    def _fit_calls(self) -> None:
        """Finds out how the template wants calls: arguments as text, one in a turn."""
        if not self._has_tools:
            return
        if not self._tried(_called(1)):
            self._turns.writes_arguments = True
            self._turns.writes_arguments = bool(self._tried(_called(1)))
        self._turns.splits_calls = bool(self._tried(_called(1))) and not self._tried(_called(2))


def _called(count: int) -> list[Message]:
    """A chat in which the assistant has called a tool some times at once."""
    arguments = json.dumps({"a": 1})
    calls = tuple(ToolCall(id=f"call_{at}", name="f", arguments=arguments) for at in range(count))
    results = [Message(role="tool", content="b", tool_call_id=one.id) for one in calls]
    return [_ASKED, Message(role="assistant", content="", tool_calls=calls), *results]


def control_tokens(tokenizer: Any) -> tuple[str, ...]:
    """Lists a tokenizer's control tokens, which a text must not hold as such."""
    added = tokenizer.added_tokens_decoder.values()
    return tuple(str(token.content) for token in added if token.special and len(token.content) > 1)
