"""Every field that the openai package's request types name: honoured, or refused by its name.

A case is a value, and either the `param` of the refusal or what the reply has to show.
"""

import pytest
from openai.types import (
    FileDeleted,
    FileObject,
    Model,
    VectorStore,
    VectorStoreDeleted,
    file_create_params,
)
from openai.types.vector_store_search_response import VectorStoreSearchResponse
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileDeleted

from tests.graphs.api.field_cases import GETS, POSTS, UPLOADS, base64_text

IN_PATH = {"vector_store_id"}


@pytest.fixture
async def ids(api_openai, api_ingest):
    """A store with two indexed files, and a third file that is in no store."""
    texts = [b"Requests wait in a bounded queue.", b"A queue of spot nodes.", b"Loose."]
    files = [
        await api_openai.files.create(file=(f"{at}.txt", text), purpose="assistants")
        for at, text in enumerate(texts)
    ]
    store = await api_openai.vector_stores.create(name="first")
    for file in files[:2]:
        await api_openai.vector_stores.files.create(store.id, file_id=file.id)
    api_ingest()
    return {"STORE": store.id, "FILE": files[2].id, "OLDEST": files[0].id, "NEWEST": files[1].id}


def filled(value, ids):
    """Puts ids for their names, at any depth."""
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, list):
        return [filled(one, ids) for one in value]
    return {key: filled(one, ids) for key, one in value.items()} if isinstance(value, dict) else (
        value
    )  # fmt: skip


def check(reply, expected, *, of_type=None):
    """Compares a reply with its case, and its shape with the type of the openai package."""
    if isinstance(expected, str):
        error = reply.json()["error"]
        status = 404 if error["code"] in {"model_not_found", "file_not_found"} else 400
        assert (reply.status_code, error["param"]) == (status, expected), error
        return
    assert reply.status_code == 200, reply.text
    expected(reply.json())
    if of_type is not None:
        of_type.model_validate_json(reply.text, strict=True)


@pytest.mark.parametrize("group", POSTS)
async def test_the_fields_of_a_body(api_http, ids, group):
    path, least, cases, _, of_type = POSTS[group]
    for name, one in ids.items():
        path = path.replace(name, one)
    for field, value, expected in cases:
        reply = await api_http.post(path, json=filled(least | {field: value}, ids))
        # Numbers in base64 are a text, which the type of the openai package does not say.
        check(reply, expected, of_type=None if expected is base64_text else of_type)


@pytest.mark.parametrize("group", GETS)
async def test_the_fields_of_a_list(api_http, api_openai, ids, group):
    if group == "files":
        await api_openai.files.delete(ids["FILE"])
    if group == "stores":
        ids |= {"OLDEST": ids["STORE"], "NEWEST": (await api_openai.vector_stores.create()).id}
    path, cases, _, of_type = GETS[group]
    path = path.replace("STORE", ids["STORE"])
    for field, value, expected in cases:
        reply = await api_http.get(path, params={field: ids.get(str(value), value)})
        check(reply, expected)
        for item in reply.json().get("data", []):
            of_type.model_validate(item, strict=True)


async def test_the_fields_of_an_upload(api_http):
    for field, value, expected in UPLOADS:
        form = {"purpose": "assistants"} | {field: value}
        reply = await api_http.post("/v1/files", data=form, files={"file": ("a.txt", b"a")})
        check(reply, expected)


@pytest.mark.parametrize(
    ("cases", "params"),
    [(cases, params) for _, _, cases, params, _ in POSTS.values()]
    + [(cases, params) for _, cases, params, _ in GETS.values()]
    + [(UPLOADS, file_create_params.FileCreateParams)],
)
def test_no_documented_field_is_left_out(cases, params):
    tried = {field.partition("[")[0] for field, *_ in cases} | {"file"}
    assert set(params.__annotations__) - IN_PATH <= tried


async def test_every_other_reply_has_the_shape_of_its_type(api_http, ids):
    store, file = f"/v1/vector_stores/{ids['STORE']}", ids["OLDEST"]
    shapes = {
        f"/v1/files/{file}": FileObject,
        "/v1/models/rag": Model,
        store: VectorStore,
        f"{store}/files/{file}": VectorStoreFile,
    }
    for path, of_type in shapes.items():
        of_type.model_validate_json((await api_http.get(path)).text, strict=True)
    found = await api_http.post(f"{store}/search", json={"query": "queue"})
    for hit in found.json()["data"]:
        VectorStoreSearchResponse.model_validate(hit, strict=True)
    gone = {f"{store}/files/{file}": VectorStoreFileDeleted, store: VectorStoreDeleted,
            f"/v1/files/{file}": FileDeleted}  # fmt: skip
    for path, of_type in gone.items():
        of_type.model_validate_json((await api_http.delete(path)).text, strict=True)
