"""`/v1/uploads`: files that are too large for one request, in parts."""

from typing import Annotated, Literal

from fastapi import APIRouter, File, Response, UploadFile
from openai.types.upload import Upload
from openai.types.uploads.upload_part import UploadPart
from pydantic import Field

from graphs.api.border.bodies.forms import FormRoute
from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.border.replies import json_reply
from graphs.api.corpus.access_lists import AccessList, access_of
from graphs.api.corpus.file_names import name_of_upload
from graphs.api.corpus.files import Purpose, file_object
from graphs.api.errors import BadRequestError
from graphs.api.services import InjectedCorpus, InjectedServices
from index.catalog.uploads import UploadRecord

router = APIRouter(tags=["uploads"], prefix="/v1/uploads", route_class=FormRoute)

_MD5 = r"^[0-9A-Fa-f]{32}$"
_MAX_PARTS = 10_000


class FileExpiry(RequestModel):
    """When the file goes."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class CreateUploadBody(RequestModel):
    """What will be uploaded; the type is told from the name, so `mime_type` may be any."""

    bytes: int = Field(ge=1)
    filename: str
    mime_type: str
    purpose: Purpose
    expires_after: FileExpiry | None = None
    access: AccessList | None = None


class CompleteUploadBody(RequestModel):
    """The parts in their order."""

    part_ids: Annotated[list[str], Field(min_length=1, max_length=_MAX_PARTS)]
    md5: Annotated[str, Field(pattern=_MD5)] | None = None


@router.post("", response_model=Upload, summary="Begin an upload in parts")
async def create_upload(body: CreateUploadBody, corpus: InjectedCorpus) -> Response:
    """Begins an upload, which has an hour to be completed."""
    record = await corpus.create_upload(
        filename=name_of_upload(body.filename, ""),
        purpose=body.purpose,
        num_bytes=body.bytes,
        file_expires_after_s=body.expires_after.seconds if body.expires_after else None,
        access=access_of(body.access),
    )
    return json_reply(_upload_object(record))


@router.post("/{upload_id}/parts", response_model=UploadPart, summary="Upload a part")
async def add_upload_part(
    upload_id: str,
    services: InjectedServices,
    corpus: InjectedCorpus,
    data: Annotated[UploadFile, File()],
) -> Response:
    """Stores a part; parts may come in any order, and at once."""
    most = services.config.http.max_file_bytes
    size = data.size or 0
    if not 1 <= size <= most:
        msg = f"a part must have 1..{most} bytes, got {size}"
        raise BadRequestError(msg, param="data", code="invalid_file")
    part = await corpus.add_upload_part(upload_id, await data.read())
    return json_reply(
        UploadPart(
            id=part.id, created_at=part.created_at, object="upload.part", upload_id=part.upload_id
        )
    )


@router.post("/{upload_id}/complete", response_model=Upload, summary="Make a file of the parts")
async def complete_upload(
    upload_id: str, body: CompleteUploadBody, corpus: InjectedCorpus
) -> Response:
    """Puts the parts together; the file is then as if it had been uploaded at once."""
    record = await corpus.complete_upload(upload_id, body.part_ids, md5=body.md5)
    return json_reply(_upload_object(record))


@router.post("/{upload_id}/cancel", response_model=Upload, summary="Give an upload up")
async def cancel_upload(upload_id: str, corpus: InjectedCorpus) -> Response:
    """Gives an upload up; no part can be added after that."""
    return json_reply(_upload_object(await corpus.cancel_upload(upload_id)))


def _upload_object(record: UploadRecord) -> Upload:
    # model_construct: the type of its file lacks the purpose "evals", which the API has.
    return Upload.model_construct(
        id=record.id,
        object="upload",
        bytes=record.num_bytes,
        created_at=record.created_at,
        expires_at=record.expires_at,
        filename=record.filename,
        purpose=record.purpose,
        status=record.status,
        file=None if record.file is None else file_object(record.file),
    )
