"""What a key must allow for each route: the one table. A route that is not here answers nobody.

()                     everyone, without a key
("query",)             keys with this scope; ("query", "ingest"): with one of them
"""

from collections.abc import Mapping

from starlette.routing import compile_path

Scopes = tuple[str, ...]

_OPEN: Scopes = ()
_QUERY: Scopes = ("query",)
_INGEST: Scopes = ("ingest",)
_EITHER: Scopes = ("query", "ingest")
_ADMIN: Scopes = ("admin",)
_METRICS: Scopes = ("metrics",)

_OPENED: Mapping[str, Scopes] = {"GET": _OPEN}
_ASKED: Mapping[str, Scopes] = {"POST": _QUERY}
_KEPT: Mapping[str, Scopes] = {"GET": _QUERY, "POST": _QUERY, "DELETE": _QUERY}
_WRITTEN: Mapping[str, Scopes] = {"GET": _EITHER, "POST": _INGEST, "DELETE": _INGEST}

_PUBLIC = ("/healthz", "/readyz", "/health", "/docs", "/openapi.json", "/", "/page/{name}")
_POSTED = (
    "/v1/completions", "/v1/embeddings", "/v1/moderations", "/rerank", "/v1/rerank", "/v2/rerank",
    "/openai/deployments/{deployment:path}/chat/completions",
    "/openai/deployments/{deployment:path}/completions",
    "/openai/deployments/{deployment:path}/embeddings",
    "/v1/embed", "/v2/embed", "/v2/chat", "/embed", "/v1/score", "/score",
    "/tokenize", "/detokenize", "/v1/vector_stores/{store_id}/search", "/mcp", "/mcp/",
)  # fmt: skip
_ANSWERS = (
    "/v1/chat/completions", "/v1/chat/completions/{completion_id}",
    "/v1/chat/completions/{completion_id}/messages",
    "/v1/responses", "/v1/responses/{response_id}", "/v1/responses/{response_id}/cancel",
    "/v1/responses/{response_id}/input_items", "/v1/conversations",
    "/v1/conversations/{conversation_id}", "/v1/conversations/{conversation_id}/items",
    "/v1/conversations/{conversation_id}/items/{item_id}",
    "/v1/batches", "/v1/batches/{batch_id}", "/v1/batches/{batch_id}/cancel",
    "/v1/feedback", "/v1/feedback/{feedback_id}",
)  # fmt: skip
_CORPUS = (
    "/v1/files", "/v1/files/{file_id}", "/v1/files/{file_id}/content",
    "/v1/uploads", "/v1/uploads/{upload_id}/parts", "/v1/uploads/{upload_id}/complete",
    "/v1/uploads/{upload_id}/cancel", "/v1/vector_stores", "/v1/vector_stores/{store_id}",
    "/v1/vector_stores/{store_id}/files", "/v1/vector_stores/{store_id}/files/{file_id}",
    "/v1/vector_stores/{store_id}/files/{file_id}/content",
    "/v1/vector_stores/{store_id}/file_batches",
    "/v1/vector_stores/{store_id}/file_batches/{batch_id}",
    "/v1/vector_stores/{store_id}/file_batches/{batch_id}/cancel",
    "/v1/vector_stores/{store_id}/file_batches/{batch_id}/files",
)  # fmt: skip

ROUTES: Mapping[str, Mapping[str, Scopes]] = {
    **dict.fromkeys(_PUBLIC, _OPENED),
    **dict.fromkeys(_POSTED, _ASKED),
    **dict.fromkeys(_ANSWERS, _KEPT),
    **dict.fromkeys(_CORPUS, _WRITTEN),
    "/v1/models": {"GET": _EITHER},
    "/v1/models/{model_id:path}": {"GET": _EITHER, "DELETE": _ADMIN},
    "/info": {"GET": _EITHER},
    "/metrics": {"GET": _METRICS},
    "/admin/{rest:path}": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), _ADMIN),
}
_PATTERNS = tuple(
    (compile_path(template)[0], methods) for template, methods in ROUTES.items() if "{" in template
)


def scopes_for(method: str, path: str) -> Scopes | None:
    """Gives what a request needs; None: nothing is said of it, so nobody may."""
    methods = ROUTES.get(path)
    if methods is None:
        found = (methods for pattern, methods in _PATTERNS if pattern.match(path))
        methods = next(found, {})
    return methods.get(method)
