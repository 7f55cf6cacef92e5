"""The MCP server: which tools and resources there are, and how errors are told in the protocol.

What a tool cannot do is a result with `isError`, so that the model which called it reads why; what
is wrong with the message itself, or with the address of a resource, is an error of JSON-RPC.
"""

from typing import Any

from fastapi import Request
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextContent,
)

from graphs.api.error_replies import ErrorBody, log_fault, reply_of
from graphs.api.errors import kind_of
from graphs.api.mcp.resources import TEMPLATES, list_resources, read_resource
from graphs.api.mcp.tools import TOOLS
from graphs.api.services import Services
from graphs.corpus.protocols import Corpus

_INSTRUCTIONS = (
    "Documents of this organisation. `ask` answers a question from them, with the passages that "
    "the answer stands on; `search` gives passages alone. Resources are the vector stores and the "
    "text of their files."
)

_Context = ServerRequestContext[Any, Request]


def build_server() -> Server[Any]:
    """Builds the server; it keeps nothing between two messages."""
    return Server(
        "ragfleet",
        title="Ragfleet",
        instructions=_INSTRUCTIONS,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
        on_list_resources=_list_resources,
        on_list_resource_templates=_list_templates,
        on_read_resource=_read_resource,
    )


async def _list_tools(_: _Context, __: PaginatedRequestParams | None) -> ListToolsResult:
    return ListToolsResult(tools=[tool.declaration for tool in TOOLS.values()])


async def _call_tool(context: _Context, params: CallToolRequestParams) -> CallToolResult:
    tool = TOOLS.get(params.name)
    if tool is None:
        names = " and ".join(f"'{name}'" for name in TOOLS)
        raise MCPError(INVALID_PARAMS, f"the tools are {names}, got {params.name[:64]!r}")
    request = _request(context)
    try:
        return await tool.call(params.arguments or {}, request)
    except Exception as error:  # the last resort, for the model to read
        text = TextContent(text=_told(error, request).message)
        return CallToolResult(content=[text], is_error=True)


async def _list_resources(
    context: _Context, params: PaginatedRequestParams | None
) -> ListResourcesResult:
    request = _request(context)
    try:
        return await list_resources(_corpus(request), params.cursor if params else None)
    except Exception as error:  # the last resort
        raise _error(error, request) from error


async def _list_templates(
    _: _Context, __: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult(resource_templates=list(TEMPLATES))


async def _read_resource(
    context: _Context, params: ReadResourceRequestParams
) -> ReadResourceResult:
    request = _request(context)
    try:
        return await read_resource(request, _corpus(request), params.uri)
    except Exception as error:  # the last resort
        raise _error(error, request) from error


def _request(context: _Context) -> Request:
    """The HTTP request that brought the message."""
    assert context.request is not None
    return context.request


def _corpus(request: Request) -> Corpus:
    """The corpus as the caller of this request sees it."""
    services: Services = request.scope["app"].state.services
    return services.corpus.of(request.state.caller)


def _error(error: Exception, request: Request) -> MCPError:
    told = _told(error, request)
    code = INVALID_PARAMS if kind_of(error).status < 500 else INTERNAL_ERROR
    return MCPError(code, told.message, {"code": told.code, "type": told.type})


def _told(error: Exception, request: Request) -> ErrorBody:
    """Tells an error as the other routes do, and logs what is the server's own fault."""
    log_fault(request, error)
    return reply_of(error).error
