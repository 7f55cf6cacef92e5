"""`/v1/files`: upload, list, read, delete."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from openai.types.file_deleted import FileDeleted
from openai.types.file_object import FileObject

from graphs.api.accounting.billing import note_reading
from graphs.api.border.bodies.forms import FormRoute
from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.border.replies import ListPage, json_reply, list_reply
from graphs.api.corpus.access_lists import (
    MAX_ACCESS_CHARS,
    AccessList,
    access_in_form,
    access_object,
    access_of,
)
from graphs.api.corpus.file_names import name_of_upload
from graphs.api.errors import BadRequestError
from graphs.api.services import InjectedCorpus, InjectedServices
from index.records import FileRecord

router = APIRouter(tags=["files"], prefix="/v1/files", route_class=FormRoute)

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
Order = Literal["asc", "desc"]


class ModifyFileBody(RequestModel):
    """Who may see the file from now on; null: everyone in the tenant."""

    access: AccessList | None


@router.post("", response_model=FileObject, summary="Upload a file")
async def create_file(  # noqa: PLR0913, PLR0917 - one argument a part of the form
    services: InjectedServices,
    corpus: InjectedCorpus,
    file: Annotated[UploadFile, File()],
    purpose: Annotated[Purpose, Form()],
    anchor: Annotated[Literal["created_at"] | None, Form(alias="expires_after[anchor]")] = None,
    seconds: Annotated[
        int | None, Form(alias="expires_after[seconds]", ge=3600, le=2_592_000)
    ] = None,
    access: Annotated[str | None, Form(max_length=MAX_ACCESS_CHARS)] = None,
) -> Response:
    """Stores the bytes; the reply means that they are durable."""
    max_bytes = services.config.http.max_file_bytes
    size = file.size or 0
    if not 1 <= size <= max_bytes:
        msg = f"a file must have 1..{max_bytes} bytes, got {size}"
        code = "file_too_large" if size else "invalid_file"
        raise BadRequestError(msg, param="file", code=code)
    if (anchor is None) != (seconds is None):
        msg = "expires_after needs both anchor and seconds"
        raise BadRequestError(msg, param="expires_after")
    record = await corpus.create_file(
        filename=name_of_upload(file.filename, file.headers.get("content-disposition", "")),
        purpose=purpose,
        data=await file.read(),
        expires_after_s=seconds,
        access=access_in_form(access),
    )
    return json_reply(file_object(record))


@router.get("", response_model=ListPage[FileObject], summary="List the files")
async def list_files(
    corpus: InjectedCorpus,
    purpose: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Order = "desc",
    after: str | None = None,
    before: str | None = None,
) -> Response:
    """Gives one page."""
    page = await corpus.list_files(
        purpose=purpose, limit=limit, order=order, after=after, before=before
    )
    ids = [record.id for record in page.items]
    return list_reply([file_object(record) for record in page.items], ids, has_more=page.has_more)


@router.get("/{file_id}", response_model=FileObject, summary="Describe a file")
async def get_file(file_id: str, corpus: InjectedCorpus) -> Response:
    """Gives all but the bytes."""
    return json_reply(file_object(await corpus.get_file(file_id)))


@router.get("/{file_id}/content", response_class=Response, summary="Read a file")
async def get_file_content(request: Request, file_id: str, corpus: InjectedCorpus) -> Response:
    """Gives the bytes as they were uploaded; a browser shows texts and PDFs, and runs nothing."""
    data = await corpus.file_content(file_id)
    note_reading(request, file_id, "read file")
    filename = quote((await corpus.get_file(file_id)).filename, safe="")
    kind, how = "application/octet-stream", "attachment"
    if "text/html" in request.headers.get("accept", ""):  # a person has followed a citation
        kind, how = _shown(data)
    headers = {
        "content-disposition": f"{how}; filename*=UTF-8''{filename}",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",  # the link that was followed may be a signed one
        "vary": "accept",
    }
    return Response(data, media_type=kind, headers=headers)


@router.post("/{file_id}", response_model=FileObject, summary="Say who may see a file")
async def modify_file(file_id: str, body: ModifyFileBody, corpus: InjectedCorpus) -> Response:
    """Replaces the access list of a file; every search obeys at once."""
    return json_reply(file_object(await corpus.set_file_access(file_id, access_of(body.access))))


@router.delete("/{file_id}", response_model=FileDeleted, summary="Delete a file")
async def delete_file(file_id: str, corpus: InjectedCorpus) -> Response:
    """Deletes a file, and its passages in every vector store."""
    await corpus.delete_file(file_id)
    return json_reply(FileDeleted(id=file_id, object="file", deleted=True))


def _shown(data: bytes) -> tuple[str, str]:
    """Gives the media type and disposition of a file in a browser, which is to run none of it."""
    if data.startswith(b"%PDF-"):
        return "application/pdf", "inline"
    try:
        is_text = "\0" not in data.decode()
    except UnicodeDecodeError:
        is_text = False
    if is_text:
        return "text/plain", "inline"
    return "application/octet-stream", "attachment"


def file_object(record: FileRecord) -> FileObject:
    """Makes OpenAI's object of a file."""
    listed = access_object(record.access)
    # model_construct: the type lacks the purpose "evals", which the API has.
    told = FileObject.model_construct(
        id=record.id,
        object="file",
        bytes=record.num_bytes,
        created_at=record.created_at,
        expires_at=record.expires_at,
        filename=record.filename,
        purpose=record.purpose,
        status=record.status,
    )
    return told if listed is None else told.model_copy(update={"access": listed})
