"""Uploads in parts through the OpenAI client, over the real catalog."""

import hashlib

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError
from openai.types import Upload, upload_complete_params, upload_create_params
from openai.types.uploads import UploadPart

from index.catalog.uploads import LIFE_S

DATA = bytes(range(256)) * 8


@pytest.fixture
def uploads(api_openai):
    return api_openai.uploads


@pytest.fixture
def begin(uploads):
    async def create(**fields):
        given = {"filename": "a.bin", "mime_type": "text/plain", "purpose": "user_data"} | fields
        return await uploads.create(bytes=len(DATA), **given)

    return create


async def test_parts_become_a_file_in_the_order_that_is_said(api_openai, uploads, begin):
    upload = await begin(expires_after={"anchor": "created_at", "seconds": 3600})
    assert (upload.status, upload.bytes, upload.object) == ("pending", len(DATA), "upload")
    assert upload.expires_at == upload.created_at + 3600
    last = await uploads.parts.create(upload.id, data=DATA[1000:])
    first = await uploads.parts.create(upload.id, data=DATA[:1000])
    assert (first.object, first.upload_id) == ("upload.part", upload.id)
    done = await uploads.complete(
        upload.id, part_ids=[first.id, last.id], md5=hashlib.md5(DATA).hexdigest()
    )
    assert (done.status, done.file.filename, done.file.bytes) == ("completed", "a.bin", len(DATA))
    assert (await api_openai.files.content(done.file.id)).content == DATA
    assert done.file.expires_at == done.file.created_at + 3600
    again = await uploads.complete(upload.id, part_ids=[first.id, last.id])
    assert again.file.id == done.file.id
    with pytest.raises(BadRequestError, match="it is completed"):
        await uploads.cancel(upload.id)


async def test_the_client_uploads_what_no_single_request_may_hold(api_openai, uploads):
    data = DATA * 100
    with pytest.raises(APIStatusError, match="at most 196608 bytes"):
        await api_openai.files.create(file=("a.bin", data), purpose="user_data")
    done = await uploads.upload_file_chunked(
        file=data, filename="a.bin", bytes=len(data), mime_type="text/plain",
        purpose="user_data", part_size=100_000,
    )  # fmt: skip
    assert (await api_openai.files.content(done.file.id)).content == data


async def test_a_file_of_parts_is_searched_like_any_other(api_openai, uploads, api_ingest):
    text = b"# Queues\n\nRequests wait in a bounded queue.\n"
    done = await uploads.upload_file_chunked(
        file=text, filename="a.md", bytes=len(text), mime_type="text/markdown",
        purpose="assistants", part_size=10,
    )  # fmt: skip
    store = await api_openai.vector_stores.create(file_ids=[done.file.id])
    api_ingest()
    page = await api_openai.vector_stores.search(store.id, query="bounded queue")
    assert page.data[0].file_id == done.file.id


async def test_a_cancelled_upload_takes_nothing_any_more(uploads, begin):
    upload = await begin()
    part = await uploads.parts.create(upload.id, data=DATA)
    for _ in range(2):
        assert (await uploads.cancel(upload.id)).status == "cancelled"
    with pytest.raises(BadRequestError, match="it is cancelled"):
        await uploads.parts.create(upload.id, data=DATA)
    with pytest.raises(BadRequestError, match="it is cancelled"):
        await uploads.complete(upload.id, part_ids=[part.id])


async def test_an_upload_expires_and_its_parts_are_swept_away(
    uploads, begin, api_catalog, monkeypatch
):
    upload = await begin()
    part = await uploads.parts.create(upload.id, data=DATA)
    now = api_catalog._now()
    monkeypatch.setattr(api_catalog, "_now", lambda: now + LIFE_S + 1)
    with pytest.raises(BadRequestError, match="it is expired"):
        await uploads.complete(upload.id, part_ids=[part.id])
    monkeypatch.setattr(api_catalog, "_now", lambda: now + 2 * LIFE_S + 1)
    await begin()
    with pytest.raises(NotFoundError) as caught:
        await uploads.cancel(upload.id)
    assert (caught.value.code, caught.value.param) == ("upload_not_found", "upload_id")


async def test_parts_that_are_not_the_file_are_refused(uploads, begin):
    upload = await begin()
    one = await uploads.parts.create(upload.id, data=DATA[:1000])
    two = await uploads.parts.create(upload.id, data=DATA[1000:])
    whole = [one.id, two.id]
    for part_ids, md5, said in [
        ([one.id], None, f"the {len(DATA)} bytes of the upload, got 1000"),
        ([one.id, one.id], None, "each part once"),
        ([one.id, "part_none"], None, "each part once"),
        (whole, "0" * 32, hashlib.md5(DATA).hexdigest()),
    ]:
        with pytest.raises(BadRequestError, match=said) as caught:
            await uploads.complete(upload.id, part_ids=part_ids, **({"md5": md5} if md5 else {}))
        assert caught.value.code == "invalid_upload"
    with pytest.raises(BadRequestError, match="together"):
        await uploads.parts.create(upload.id, data=DATA + b"x")
    assert (await uploads.complete(upload.id, part_ids=whole)).status == "completed"


CREATIONS = [
    ("bytes", 0, "bytes"),
    ("bytes", 2**40, None),
    ("filename", "", "file"),
    ("mime_type", 5, "mime_type"),
    ("purpose", "fun", "purpose"),
    ("expires_after", {"anchor": "created_at", "seconds": 9}, "expires_after.seconds"),
    ("expires_after", {"anchor": "created_at", "seconds": 3600}, 200),
    ("purpose", "batch", 200),
]


async def test_the_fields_of_an_upload(api_http):
    least = {"bytes": 1, "filename": "a.txt", "mime_type": "text/plain", "purpose": "assistants"}
    for field, value, expected in CREATIONS:
        reply = await api_http.post("/v1/uploads", json=least | {field: value})
        if expected == 200:
            Upload.model_validate_json(reply.text, strict=True)
        else:
            assert (reply.status_code, reply.json()["error"]["param"]) == (400, expected)
    upload = f"/v1/uploads/{reply.json()['id']}"
    part = await api_http.post(f"{upload}/parts", files={"data": ("a", b"x")})
    UploadPart.model_validate_json(part.text, strict=True)
    for body, param in [({}, "part_ids"), ({"part_ids": []}, "part_ids"),
                        ({"part_ids": ["x"], "md5": "zz"}, "md5")]:  # fmt: skip
        reply = await api_http.post(f"{upload}/complete", json=body)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
    reply = await api_http.post(f"{upload}/parts", data={"data": "text"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "data")
    assert set(upload_create_params.UploadCreateParams.__annotations__) <= {*least, "expires_after"}
    assert set(upload_complete_params.UploadCompleteParams.__annotations__) == {"part_ids", "md5"}
