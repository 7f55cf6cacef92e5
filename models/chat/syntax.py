r"""How a family of models writes calls: the marks around names and arguments.

    <tool_call>\n{"name": "    clock    ", "arguments":    {"zone": "UTC"}   }\n</tool_call>
    |          ||          |   name   |                 |    arguments     |                |
    trigger     first                  before_arguments                      after

    one call = namespace name number before_arguments arguments after
    calls    = trigger first one (between one)* closing

Arguments are a JSON object, or written one by one (`parameters.py`). The grammar that holds an
answer to calls (`grammar.py`), their reader (`reading.py`) and what is written of earlier calls all
come from this one description.
"""

import json
from dataclasses import dataclass

from models.chat.parameters import Parameters
from models.chat.tools import ToolUse
from models.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class CallSyntax:
    """The marks of one family.

    Attributes:
        trigger: with it calls begin, and text ends.
        namespace: before every name; empty: none.
        is_numbered: whether a colon and the call's place among all of a chat follow its name.
        anywhere: whether text may stand before calls; else an answer is calls from its start.
        parameters: how arguments are written one by one; None: they are a JSON object.
    """

    trigger: str
    first: str
    before_arguments: str
    after: str
    between: str
    closing: str = ""
    namespace: str = ""
    is_numbered: bool = False
    anywhere: bool = True
    parameters: Parameters | None = None

    @property
    def is_bare(self) -> bool:
        """Whether the first name has to follow before calls can be told from text."""
        return not self.anywhere and len(self.trigger) == 1

    @property
    def marks(self) -> tuple[str, ...]:
        """All that may hold control tokens."""
        return (
            self.trigger, self.first, self.before_arguments, self.after, self.between, self.closing,
            *(self.parameters.marks if self.parameters else ()),
        )  # fmt: skip

    @property
    def example(self) -> str:
        """What a call looks like, for the model."""
        given = '{"<parameter>": "<value>"}' if self.parameters else "{<arguments>}"
        return self.written((("<name>", given),))

    def texts(self, use: ToolUse) -> tuple[tuple[str, str], ...]:
        """Names the parameters of tools that are written as they are, each after its tool."""
        if self.parameters is None:
            return ()
        return tuple((one.name, name) for one in use.tools for name in self.parameters.texts(one))

    def nullable(self, use: ToolUse) -> tuple[tuple[str, str], ...]:
        """Names those of them that may be null."""
        if self.parameters is None:
            return ()
        of = self.parameters.nullable
        return tuple((one.name, name) for one in use.tools for name in of(one))

    def written(self, calls: tuple[tuple[str, str], ...]) -> str:
        """Writes calls, each a name and its arguments as JSON, as the model itself would.

        Raises:
            InvalidInputError: arguments that are written one by one are no JSON object.
        """
        ones = [
            self._titled(name, number) + self.before_arguments + self._arguments(given) + self.after
            for number, (name, given) in enumerate(calls)
        ]
        return self.trigger + self.first + self.between.join(ones) + self.closing

    def _titled(self, name: str, number: int) -> str:
        return f"{self.namespace}{name}" + (f":{number}" if self.is_numbered else "")

    def _arguments(self, given: str) -> str:
        if self.parameters is None:
            return given
        try:
            arguments = json.loads(given)
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            msg = f"arguments of a tool call must be a JSON object, got {given[:80]!r}"
            raise InvalidInputError(msg)
        return self.parameters.written(arguments)
