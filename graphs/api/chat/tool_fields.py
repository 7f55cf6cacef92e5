"""The tools of a chat, and how far the model has to call them.

    tools                 functions; other kinds are refused by name
    tool_choice           none | auto | required | one function | allowed_tools
    parallel_tool_calls   false: at most one call

Without `tools`, `tool_choice` may say nothing but none and auto. `none` leaves the tools out.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.chat.picking_fields import check_own_words
from graphs.api.errors import BadRequestError
from graphs.config import GatewayConfig
from models.chat.tools import MAX_TOOLS, Tool, ToolUse
from models.constraints import Constraint, JsonSchema
from models.errors import InvalidInputError


def _check_kind(kind: str) -> str:
    if kind != "function":
        raise PydanticCustomError(
            "unsupported_value", "only tools of type 'function' are served here, got '{kind}'",
            {"kind": kind[:64]},
        )  # fmt: skip
    return kind


ToolKind = Annotated[str, AfterValidator(_check_kind)]


class FunctionSpec(RequestModel):
    """A function; `strict` or not, its arguments are held to its parameters."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    def tool(self) -> Tool:
        """Gives what the model is offered.

        Raises:
            InvalidInputError: the name or the parameters are none.
        """
        told = {} if self.parameters is None else {"parameters": json.dumps(self.parameters)}
        return Tool(name=self.name, description=self.description or "", **told)


class FunctionTool(RequestModel):
    """A tool of a chat."""

    type: ToolKind
    function: FunctionSpec


class NamedFunction(RequestModel):
    """A function by its name."""

    name: str


class NamedTool(RequestModel):
    """The one tool that is called."""

    type: Literal["function"]
    function: NamedFunction


class AllowedTools(RequestModel):
    """Those of the tools that may be called, and whether one has to be."""

    mode: Literal["auto", "required"]
    tools: list[NamedTool] = Field(min_length=1, max_length=MAX_TOOLS)


class AllowedToolsChoice(RequestModel):
    """A choice among some of the tools."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


ToolChoice = (
    Literal["none", "auto", "required"]
    | Annotated[NamedTool | AllowedToolsChoice, Field(discriminator="type")]
)


class ToolFields(RequestModel):
    """The fields of a body that say what may be called."""

    tools: Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None


def tools_of(
    body: ToolFields, held: tuple[str, Constraint] | None, config: GatewayConfig
) -> ToolUse | None:
    """Reads what may be called; None: nothing.

    Args:
        body: as it was sent.
        held: the field that says which form the answer has, and that form.
        config: a server that only quotes calls nothing.

    Raises:
        BadRequestError: tools and choice contradict each other, the form, or the server.
    """
    functions = [one.function for one in body.tools or ()]
    if not functions and body.tool_choice not in (None, "none", "auto"):
        raise BadRequestError("tool_choice needs tools", param="tool_choice")
    if not functions or body.tool_choice == "none":
        return None
    tools = [offered(one, f"tools[{at}].function") for at, one in enumerate(functions)]
    use = chosen(tools, body.tool_choice, parallel=body.parallel_tool_calls is not False)
    check_own_words(["tool_choice"] if use.is_forced else [], config)
    return use if held is None else with_answer(use, held)


def chosen(tools: list[Tool], choice: ToolChoice | None, *, parallel: bool) -> ToolUse:
    """Gives the tools that may be called, as a choice says.

    Raises:
        BadRequestError: two tools have one name, or the choice names none of them.
    """
    how: Literal["auto", "required"] = "required" if choice == "required" else "auto"
    named: str | None = None
    if isinstance(choice, NamedTool):
        named = choice.function.name
        _among(tools, [named])
    elif isinstance(choice, AllowedToolsChoice):
        how = choice.allowed_tools.mode
        tools = _among(tools, [one.function.name for one in choice.allowed_tools.tools])
    try:
        return ToolUse(tools=tuple(tools), choice=how, named=named, parallel=parallel)
    except InvalidInputError as err:
        raise BadRequestError(str(err), param="tools") from err


def _among(tools: list[Tool], names: list[str]) -> list[Tool]:
    """Gives the tools of these names, each of which has to be there."""
    known = [tool.name for tool in tools]
    for name in names:
        if name not in known:
            msg = f"tool_choice must name one of {', '.join(known)[:200]}, got {name[:80]!r}"
            raise BadRequestError(msg, param="tool_choice")
    return [tool for tool in tools if tool.name in names]


def with_answer(use: ToolUse, held: tuple[str, Constraint]) -> ToolUse:
    """Holds the answer that may stand in the place of calls to its form.

    Raises:
        BadRequestError: that form is not JSON.
    """
    name, form = held
    if not isinstance(form, JsonSchema):
        msg = f"beside tools an answer can be held to a JSON schema alone, got {name}"
        raise BadRequestError(msg, param=name)
    return ToolUse(
        tools=use.tools, choice=use.choice, named=use.named, parallel=use.parallel,
        answer=form.schema,
    )  # fmt: skip


def offered(function: FunctionSpec, param: str) -> Tool:
    """Gives what the model is offered.

    Raises:
        BadRequestError: the name or the parameters are none.
    """
    try:
        return function.tool()
    except InvalidInputError as err:
        raise BadRequestError(str(err), param=param) from err
