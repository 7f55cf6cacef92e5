"""Files through the OpenAI client, over the real catalog."""

import urllib.parse

import pytest
from openai import BadRequestError, NotFoundError

TEXT_FILE = {"file": ("a.txt", b"a")}
SECONDS = "expires_after[seconds]"


async def upload(client, name="notes.txt", data=b"Requests wait.", **fields):
    return await client.files.create(file=(name, data), **({"purpose": "assistants"} | fields))


async def test_upload_is_described_and_read_back(api_openai):
    file = await upload(api_openai)
    assert (file.filename, file.bytes, file.purpose) == ("notes.txt", 14, "assistants")
    assert (file.object, file.status, file.expires_at) == ("file", "processed", None)
    assert await api_openai.files.retrieve(file.id) == file
    content = await api_openai.files.content(file.id)
    assert content.content == b"Requests wait."
    assert content.response.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''notes.txt"
    )


async def test_binary_content_survives(api_openai):
    data = bytes(range(256)) * 8
    file = await upload(api_openai, "a.bin", data, purpose="evals")
    assert file.purpose == "evals"
    assert (await api_openai.files.content(file.id)).content == data


async def test_list_pages_through_all(api_openai):
    ids = [(await upload(api_openai, f"{number}.txt")).id for number in range(5)]
    page = await api_openai.files.list(limit=2, order="asc")
    assert page.has_more
    assert [file.id async for file in page] == ids
    assert [file.id async for file in await api_openai.files.list()] == ids[::-1]
    assert (await api_openai.files.list(purpose="batch")).data == []


async def test_list_names_its_ends(api_http):
    reply = (await api_http.get("/v1/files")).json()
    assert reply == {
        "object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False,
    }  # fmt: skip


async def test_deleted_file_is_gone(api_openai):
    file = await upload(api_openai)
    deleted = await api_openai.files.delete(file.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (file.id, True, "file")
    for call in (api_openai.files.retrieve, api_openai.files.content, api_openai.files.delete):
        with pytest.raises(NotFoundError) as caught:
            await call(file.id)
        assert caught.value.code == "file_not_found"


async def test_expiry_is_kept(api_openai):
    expiry = {"anchor": "created_at", "seconds": 3600}
    file = await upload(api_openai, expires_after=expiry)
    assert file.expires_at == file.created_at + 3600


async def test_empty_file_is_refused(api_openai):
    with pytest.raises(BadRequestError) as caught:
        await upload(api_openai, data=b"")
    assert caught.value.code == "invalid_file"


async def test_client_paths_do_not_become_names(api_openai):
    for sent in ("../../etc/passwd", r"C:\temp\passwd", "/passwd"):
        assert (await upload(api_openai, sent)).filename == "passwd"


async def test_too_large_file_is_refused(api_openai, api_http):
    with pytest.raises(BadRequestError) as caught:
        await upload(api_openai, data=b"a" * (128 * 1024 + 1))
    assert caught.value.code == "file_too_large"
    files = {"file": ("a.txt", b"a" * (1024 * 1024))}
    reply = await api_http.post("/v1/files", files=files, data={"purpose": "assistants"})
    assert reply.status_code == 413


@pytest.mark.parametrize(
    ("request_fields", "param"),
    [
        ({"data": {"purpose": "assistants"}}, "file"),
        ({"data": {"purpose": "assistants", "file": "text"}}, "file"),
        ({"files": TEXT_FILE}, "purpose"),
        ({"files": TEXT_FILE, "data": {"purpose": "fun"}}, "purpose"),
        ({"files": TEXT_FILE, "data": {"purpose": "batch", SECONDS: "9"}}, SECONDS),
        ({"files": TEXT_FILE, "data": {"purpose": "batch", SECONDS: "3600"}}, "expires_after"),
        ({"json": {"purpose": "assistants"}}, "file"),
    ],
)
async def test_bad_upload_is_refused_by_name(api_http, request_fields, param):
    reply = await api_http.post("/v1/files", **request_fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_broken_multipart_is_a_400(api_http):
    headers = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"garbage", b"--x\r\ngarbage"):
        reply = await api_http.post("/v1/files", content=body, headers=headers)
        assert reply.status_code == 400
        assert reply.json()["error"]["type"] == "invalid_request_error"


async def test_unknown_cursor_is_a_400(api_openai):
    with pytest.raises(BadRequestError) as caught:
        await api_openai.files.list(after="file-none")
    assert caught.value.code == "unknown_cursor"


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("name", "data", "kind", "disposition"),
    [
        ("größe.md", "# Größe".encode(), "text/plain; charset=utf-8", "inline"),
        ("page.html", b"<script>alert(1)</script>", "text/plain; charset=utf-8", "inline"),
        ("drawing.svg", b"<svg onload='alert(1)'/>", "text/plain; charset=utf-8", "inline"),
        ("paper.pdf", b"%PDF-1.7 ...", "application/pdf", "inline"),
        ("old.txt", b"Gr\xf6\xdfe", "application/octet-stream", "attachment"),
        ("words.docx", b"PK\x03\x04\0", "application/octet-stream", "attachment"),
    ],
)
async def test_a_browser_that_follows_a_citation_shows_the_file(
    api_http, api_catalog, name, data, kind, disposition
):
    file = api_catalog.create_file(filename=name, purpose="assistants", data=data)
    reply = await api_http.get(f"/v1/files/{file.id}/content", headers={"accept": BROWSER})
    assert (reply.content, reply.headers["content-type"]) == (data, kind)
    quoted = urllib.parse.quote(name)
    assert reply.headers["content-disposition"] == f"{disposition}; filename*=UTF-8''{quoted}"
    assert (reply.headers["x-content-type-options"], reply.headers["vary"]) == ("nosniff", "accept")
