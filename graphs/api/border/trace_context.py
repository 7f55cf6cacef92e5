"""`traceparent`: lets the spans of a request belong to the trace of its client. Pure ASGI.

https://www.w3.org/TR/trace-context/. Where Serve's tracing is on, its replica's span is there
already and stands below the client's; this is for the rest: a server without Serve, and one that
makes no spans but hands the context on.
"""

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

_PROPAGATOR = TraceContextTextMapPropagator()


class TraceContext:
    """Makes the client's span the current one, unless there is one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on within its trace; what is no valid header is ignored."""
        has_span = trace.get_current_span().get_span_context().is_valid
        if scope["type"] != "http" or has_span:
            await self._app(scope, receive, send)
            return
        token = context.attach(_PROPAGATOR.extract(dict(Headers(scope=scope))))
        try:
            await self._app(scope, receive, send)
        finally:
            context.detach(token)
