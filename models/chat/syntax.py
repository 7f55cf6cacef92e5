r"""How a family of models writes calls: the marks around names and arguments.

    <tool_call>\n{"name": "    clock    ", "arguments":    {"zone": "UTC"}   }\n</tool_call>
    |          ||          |   name   |                 |    arguments     |                |
    trigger     first                  before_arguments                      after

    one call = name before_arguments arguments after
    calls    = trigger first one (between one)* closing

Arguments are always a JSON object. The grammar that holds an answer to calls (`grammar.py`), their
reader (`reading.py`) and what is written of earlier calls all come from this one description.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CallSyntax:
    """The marks of one family.

    Attributes:
        trigger: with it calls begin, and text ends.
        anywhere: whether text may stand before calls; else an answer is calls from its start.
    """

    trigger: str
    first: str
    before_arguments: str
    after: str
    between: str
    closing: str = ""
    anywhere: bool = True

    @property
    def marks(self) -> tuple[str, ...]:
        """All that may hold control tokens."""
        return (
            self.trigger, self.first, self.before_arguments, self.after, self.between, self.closing,
        )  # fmt: skip

    def written(self, calls: tuple[tuple[str, str], ...]) -> str:
        """Writes calls, each a name and its arguments as JSON, as the model itself would."""
        ones = [f"{name}{self.before_arguments}{given}{self.after}" for name, given in calls]
        return self.trigger + self.first + self.between.join(ones) + self.closing
