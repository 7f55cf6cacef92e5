"""Every field that OpenAI documents has its fate in one table, and meets it."""

from dataclasses import replace
from pathlib import Path

import pytest
from openai import BadRequestError
from openai.types import (
    batch_create_params,
    batch_list_params,
    completion_create_params,
    embedding_create_params,
    file_create_params,
    file_list_params,
    moderation_create_params,
    upload_complete_params,
    upload_create_params,
    vector_store_create_params,
    vector_store_list_params,
    vector_store_search_params,
    vector_store_update_params,
)
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.conversations import (
    conversation_create_params,
    conversation_update_params,
    item_create_params,
    item_list_params,
)
from openai.types.responses import response_create_params
from openai.types.uploads import part_create_params
from openai.types.vector_stores import (
    file_batch_create_params,
    file_batch_list_files_params,
    file_update_params,
)
from openai.types.vector_stores import file_create_params as store_file_create_params
from openai.types.vector_stores import file_list_params as store_file_list_params

from graphs.api import documented
from graphs.api.documented import GROUPS

# The request types of the openai package, by the groups of the table.
TYPES = {
    "Chat completions": [
        chat_create_params.CompletionCreateParamsBase,
        chat_create_params.CompletionCreateParamsStreaming,
    ],
    "Completions": [
        completion_create_params.CompletionCreateParamsBase,
        completion_create_params.CompletionCreateParamsStreaming,
    ],
    "Responses": [
        response_create_params.ResponseCreateParamsBase,
        response_create_params.ResponseCreateParamsStreaming,
    ],
    "Conversations": [
        conversation_create_params.ConversationCreateParams,
        conversation_update_params.ConversationUpdateParams,
        item_create_params.ItemCreateParams,
        item_list_params.ItemListParams,
    ],
    "Embeddings": [embedding_create_params.EmbeddingCreateParams],
    "Moderations": [moderation_create_params.ModerationCreateParams],
    "Files": [file_create_params.FileCreateParams, file_list_params.FileListParams],
    "Uploads": [
        upload_create_params.UploadCreateParams,
        upload_complete_params.UploadCompleteParams,
        part_create_params.PartCreateParams,
    ],
    "Batches": [batch_create_params.BatchCreateParams, batch_list_params.BatchListParams],
    "Vector stores": [
        vector_store_create_params.VectorStoreCreateParams,
        vector_store_update_params.VectorStoreUpdateParams,
        vector_store_list_params.VectorStoreListParams,
    ],
    "Files of vector stores": [
        store_file_create_params.FileCreateParams,
        file_update_params.FileUpdateParams,
        store_file_list_params.FileListParams,
        file_batch_create_params.FileBatchCreateParams,
        file_batch_list_files_params.FileBatchListFilesParams,
    ],
    "Search in vector stores": [vector_store_search_params.VectorStoreSearchParams],
}
IN_PATH = {"vector_store_id"}
# Path and least body of the groups whose bodies the pipeline is asked with, or that need nothing.
BODIES = {
    "Chat completions": (
        "/v1/chat/completions",
        {"model": "local/generator", "messages": [{"role": "user", "content": "Where?"}]},
    ),
    "Completions": ("/v1/completions", {"model": "local/generator", "prompt": "Where?"}),
    "Responses": ("/v1/responses", {"model": "local/generator", "input": "Where?"}),
    "Embeddings": ("/v1/embeddings", {"model": "bundled:embedder", "input": "two words"}),
}
CASES = [
    (group, name, field)
    for group in BODIES
    for name, field in GROUPS[group].items()
    if field.example is not None
]
TOGETHER = {
    "stream_options": {"stream": True},
    "top_logprobs": {"include": ["message.output_text.logprobs"]},
}
# Of a reply, what differs from one to the next.
CHANGING = {"id", "created", "created_at", "completed_at", "last_active_at", "expires_at", "output"}


@pytest.mark.parametrize("group", TYPES)
def test_no_field_of_the_openai_package_is_missing(group):
    fields = {name for params in TYPES[group] for name in params.__annotations__}
    assert fields - IN_PATH - set(GROUPS[group]) == set()


def test_every_group_is_walked():
    assert set(TYPES) == set(GROUPS)


def test_every_field_that_is_refused_or_without_effect_has_an_example_and_a_reason():
    for group, fields in GROUPS.items():
        for name, field in fields.items():
            if field.fate != "honoured":
                assert field.example is not None or group not in BODIES, (group, name)
                assert field.why, (group, name)


@pytest.mark.parametrize(("group", "name", "field"), CASES)
async def test_a_field_meets_its_fate(api_http, api_pipeline, group, name, field):
    path, least = BODIES[group]
    if group == "Completions":
        api_pipeline.script = [one for one in api_pipeline.script if not hasattr(one, "passage")]
    base = least | TOGETHER.get(name, {})
    sent = base | {name: field.example}
    reply = await api_http.post(path, json=sent)
    if field.fate in ("refused", "one value"):
        error = reply.json()["error"]
        assert (reply.status_code, (error["param"] or "").partition(".")[0]) == (400, name), error
        return
    assert reply.status_code == 200, reply.text
    asked = api_pipeline.requests[-1:]
    plain = await api_http.post(path, json=base)
    same_asked = told(asked) == told(api_pipeline.requests[-1:])
    hidden = {name} if field.fate == "no effect" else set()  # an echo is no effect
    is_same = same_asked and shown(plain, hidden) == shown(reply, hidden)
    assert is_same == (field.fate == "no effect"), (plain.text, reply.text)


def told(requests):
    """Gives what the pipeline was asked; seeds and names that the server draws differ each time."""
    return [
        replace(
            one, request_id="", once="",
            sampling=replace(one.sampling, seed=min(one.sampling.seed or 0, 9)),
        )
        for one in requests
    ]  # fmt: skip


def shown(reply, hidden):
    """Gives what a reply shows of what does not differ each time."""
    if reply.headers["content-type"].startswith("text/event-stream"):
        return reply.text.count("data:")
    return {key: value for key, value in reply.json().items() if key not in CHANGING | hidden}


def test_the_page_is_that_of_the_table():
    page = Path(documented.__file__).with_name("FIELDS.md")
    assert page.read_text() == documented.page()


async def test_stored_chats_are_refused_by_name(api_openai):
    chats = api_openai.chat.completions
    for call in [
        chats.list(),
        chats.retrieve("chatcmpl-1"),
        chats.update("chatcmpl-1", metadata={}),
        chats.delete("chatcmpl-1"),
        chats.messages.list("chatcmpl-1"),
    ]:
        with pytest.raises(BadRequestError, match="/v1/responses keeps answers") as caught:
            await call
        assert caught.value.param == "store"
