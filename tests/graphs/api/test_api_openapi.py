"""The OpenAPI description tells the truth, in words that generators of clients read."""

from typing import get_args

from graphs.api.corpus.files import Purpose

CHAT = "/v1/chat/completions"
NEVER_DONE = {
    ("delete", "/v1/models/{model_id}"), ("get", CHAT), ("get", f"{CHAT}/{{completion_id}}"),
    ("post", f"{CHAT}/{{completion_id}}"), ("delete", f"{CHAT}/{{completion_id}}"),
    ("get", f"{CHAT}/{{completion_id}}/messages"),
}  # fmt: skip
NOT_JSON = {"/v1/files/{file_id}/content", "/health"}


def walked(node):
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from walked(child)


def test_every_reply_has_a_schema(api_app):
    for path, methods in api_app.openapi()["paths"].items():
        for method, operation in methods.items():
            if (method, path) in NEVER_DONE:
                continue
            content = operation["responses"]["200"].get("content", {})
            if path not in NOT_JSON:
                assert content["application/json"]["schema"], (method, path)


def test_what_is_always_the_same_is_an_enum_of_one(api_app):
    description = api_app.openapi()
    assert not [node for node in walked(description) if isinstance(node, dict) and "const" in node]
    store = description["components"]["schemas"]["VectorStore"]["properties"]
    assert store["object"]["enum"] == ["vector_store"]
    assert store["status"]["enum"] == ["expired", "in_progress", "completed"]


def test_a_file_may_be_described_with_every_purpose_that_it_may_have(api_app):
    """The type of the openai package lacks one."""
    described = api_app.openapi()["components"]["schemas"]["FileObject"]["properties"]["purpose"]
    assert set(described["enum"]) >= set(get_args(Purpose))
