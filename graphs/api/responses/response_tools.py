"""The tools of a response: one search in vector stores, and functions of the client.

    tools                 file_search at most once, functions; other kinds are refused by name
    tool_choice           none | auto | required | a function | the search | allowed_tools
    parallel_tool_calls   false: at most one call of a function

The search is made in any case, so `required` beside it is fulfilled, and functions are free.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.chat.tool_fields import (
    AllowedTools,
    AllowedToolsChoice,
    FunctionSpec,
    NamedFunction,
    NamedTool,
    chosen,
    offered,
)
from graphs.api.corpus.filters import FilterSpec
from graphs.api.errors import BadRequestError
from graphs.config import Relevance, TopK
from models.chat.tools import MAX_TOOLS, ToolUse

_MAX_WEIGHT_RATIO = 10
_WAYS_OF_CALLING: dict[str, Any] = {
    "async": False, "defer_loading": False, "output_schema": {}, "allowed_callers": ["direct"],
}  # fmt: skip


class HybridSearch(RequestModel):
    """How much the two searches count."""

    embedding_weight: float = Field(ge=0)
    text_weight: float = Field(ge=0)

    @model_validator(mode="after")
    def _check_weights(self) -> "HybridSearch":
        if self.embedding_weight == self.text_weight == 0:
            raise PydanticCustomError("invalid_value", "one of the two weights must be above 0")
        if self.embedding_weight and self.text_weight / self.embedding_weight > _MAX_WEIGHT_RATIO:
            raise PydanticCustomError(
                "invalid_value",
                "text_weight must be at most {limit} times embedding_weight, or that 0",
                {"limit": _MAX_WEIGHT_RATIO},
            )
        return self


class Ranking(RequestModel):
    """How results are ordered: "none" leaves the order of the search."""

    ranker: Literal["none", "auto", "default-2024-11-15"] | None = None
    score_threshold: Relevance | None = None
    hybrid_search: HybridSearch | None = None


def _check_tool(kind: str) -> str:
    if kind != "file_search":
        raise PydanticCustomError(
            "unsupported_value",
            "only tools of type 'file_search' and 'function' are served here, got '{kind}'",
            {"kind": kind[:64]},
        )
    return kind


class FileSearch(RequestModel):
    """A search in vector stores, which the answer stands on."""

    type: Annotated[str, AfterValidator(_check_tool)]
    vector_store_ids: list[str] = Field(min_length=1, max_length=64)
    max_num_results: TopK | None = None
    ranking_options: Ranking | None = None
    filters: FilterSpec | None = None


class FileSearchChoice(RequestModel):
    """The search must be made; it is made in any case."""

    type: Annotated[str, AfterValidator(_check_tool)]


class Function(FunctionSpec):
    """A function of the client, offered from the start and called by the model alone."""

    type: Literal["function"]

    @model_validator(mode="before")
    @classmethod
    def _refuse_ways_of_calling(cls, function: Any) -> Any:
        for name, neutral in _WAYS_OF_CALLING.items():
            if isinstance(function, dict) and (function.get(name) or neutral) != neutral:
                raise PydanticCustomError(
                    "unsupported_parameter", "{field} of a function is not supported here",
                    {"field": name},
                )  # fmt: skip
        return function


class FunctionChoice(RequestModel):
    """The one function that is called."""

    type: Literal["function"]
    name: str


class Allowed(RequestModel):
    """Those of the tools that may be used, and whether one has to be."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_TOOLS)


def _kind_of(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if kind in ("function", "allowed_tools") else "file_search"


_Tool = Annotated[
    Annotated[FileSearch, Tag("file_search")] | Annotated[Function, Tag("function")],
    Discriminator(_kind_of),
]
_Named = Annotated[
    Annotated[FileSearchChoice, Tag("file_search")]
    | Annotated[FunctionChoice, Tag("function")]
    | Annotated[Allowed, Tag("allowed_tools")],
    Discriminator(_kind_of),
]


def _check_tools(tools: list[FileSearch | Function]) -> list[FileSearch | Function]:
    if sum(isinstance(one, FileSearch) for one in tools) > 1:
        raise PydanticCustomError("invalid_value", "tools may hold one file_search, got several")
    return tools


Tools = Annotated[list[_Tool], Field(max_length=MAX_TOOLS + 1), AfterValidator(_check_tools)]
ToolChoice = Literal["none", "auto", "required"] | _Named


def functions_of(
    tools: list[FileSearch | Function] | None, choice: ToolChoice | None, *, parallel: bool
) -> ToolUse | None:
    """Reads which functions may be called; None: none.

    Raises:
        BadRequestError: a function is none, or the choice names none of them.
    """
    listed = list(enumerate(tools or ()))
    functions = [(at, one) for at, one in listed if isinstance(one, Function)]
    if not functions or choice == "none" or isinstance(choice, FileSearchChoice):
        if isinstance(choice, FunctionChoice):
            msg = f"tool_choice must name one of the tools, got {choice.name[:80]!r}"
            raise BadRequestError(msg, param="tool_choice")
        return None
    has_search = len(functions) < len(listed)
    known = [offered(one, f"tools[{at}]") for at, one in functions]
    if isinstance(choice, FunctionChoice):
        named = NamedTool(type="function", function=NamedFunction(name=choice.name))
        return chosen(known, named, parallel=parallel)
    if isinstance(choice, Allowed):
        return _among(known, choice, has_search=has_search, parallel=parallel)
    is_free = choice != "required" or has_search
    return chosen(known, "auto" if is_free else "required", parallel=parallel)


def _among(
    known: list[Any], choice: Allowed, *, has_search: bool, parallel: bool
) -> ToolUse | None:
    names = [str(one.get("name")) for one in choice.tools if one.get("type") == "function"]
    if not names:
        return None
    tools = [NamedTool(type="function", function=NamedFunction(name=name)) for name in names]
    allowed = AllowedTools(mode="auto" if has_search else choice.mode, tools=tools)
    return chosen(
        known, AllowedToolsChoice(type="allowed_tools", allowed_tools=allowed), parallel=parallel
    )
