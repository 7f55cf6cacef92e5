"""Reads one constraint in a process of its own, so that a hostile one costs nobody else anything.

Run as a script: `{"kind", "text"}` on stdin, `{"grammar"}` or `{"error"}` on stdout, both JSON.
What takes longer than `CPU_S` of processor time, or more than `MEMORY_BYTES`, is ended by the
kernel. Imports nothing of ours: it has to start in milliseconds.
"""

import json
import resource
import signal
import sys
from typing import TYPE_CHECKING

from llguidance import LLMatcher, LLParserLimits
from llguidance.gbnf_to_lark import any_to_lark

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

CPU_S = 0.3
MEMORY_BYTES = 2**30
# Fuel is what llguidance counts its work in: about 50 units a microsecond to build, 14 to step.
_LIMITS = {
    "initial_lexer_fuel": 100_000,
    "step_lexer_fuel": 50_000,
    "step_max_items": 10_000,
    "max_items_in_row": 1_000,
    "max_lexer_states": 20_000,
    "max_grammar_size": 30_000,
}
# One way to write a value: a small model would else fill its answer with white space.
_JSON_FORM: "JsonCompileOptions" = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}


def parser_limits() -> LLParserLimits:
    """Gives the limits of a parser, the same where it is checked and where it is used."""
    return LLParserLimits(precompute_large_lexemes=False, verbose_errors=False, **_LIMITS)


def read_grammar(kind: str, text: str) -> str:
    """Gives a constraint in llguidance's own form.

    Raises:
        ValueError: it cannot be read.
    """
    if kind == "json_schema":
        return LLMatcher.grammar_from_json_schema(text, overrides=_JSON_FORM)
    if kind == "regex":
        return LLMatcher.grammar_from_regex(text)
    return LLMatcher.grammar_from_lark(any_to_lark(text))


def _checked(kind: str, text: str) -> dict[str, str]:
    try:
        grammar = read_grammar(kind, text)
    except (ValueError, RecursionError) as err:
        return {"error": str(err)}
    except Exception as err:  # any_to_lark raises plain ones
        return {"error": f"{type(err).__name__}: {err}"}
    is_error, messages = LLMatcher.validate_grammar_with_warnings(grammar, limits=parser_limits())
    return {"error": messages[0]} if is_error else {"grammar": grammar}


def main() -> None:
    """Checks the constraint on stdin."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.setitimer(signal.ITIMER_PROF, CPU_S)  # its signal ends the process
    asked = json.load(sys.stdin)
    json.dump(_checked(asked["kind"], asked["text"]), sys.stdout)


if __name__ == "__main__":
    main()
