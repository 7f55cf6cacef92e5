"""`/v1/batches`: many requests in one file, answered within a day."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from openai.types.batch import Batch, Errors
from openai.types.batch_error import BatchError
from openai.types.batch_request_counts import BatchRequestCounts
from openai.types.batch_usage import BatchUsage, InputTokensDetails, OutputTokensDetails
from pydantic import Field

from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.public_url import public_url
from graphs.api.border.replies import ListPage, json_reply, list_reply
from graphs.api.corpus.vector_store_schema import Metadata
from graphs.api.errors import BadRequestError
from graphs.api.services import InjectedCorpus
from index.catalog.batches.records import BatchRecord, NewBatch
from index.errors import UnknownFileError

router = APIRouter(tags=["batches"], prefix="/v1/batches", route_class=JsonRoute)

_WINDOW_S = 86_400
_TIMES = (
    "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled",
)  # fmt: skip
Endpoint = Literal[
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
]


class OutputExpiry(RequestModel):
    """When the files of a batch go."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class CreateBatchBody(RequestModel):
    """The body of a request for a batch."""

    input_file_id: str
    endpoint: Endpoint
    completion_window: Literal["24h"]
    metadata: Metadata | None = None
    output_expires_after: OutputExpiry | None = None


@router.post("", response_model=Batch, summary="Answer a file of requests")
async def create_batch(request: Request, body: CreateBatchBody, corpus: InjectedCorpus) -> Response:
    """Keeps a batch, which any Gateway works on; what is wrong with its lines is told by it."""
    try:
        file = await corpus.get_file(body.input_file_id)
    except UnknownFileError as err:
        raise BadRequestError(str(err), param="input_file_id", code=err.code) from err
    if file.purpose != "batch":
        msg = f"the file must have the purpose 'batch', {file.id} has '{file.purpose}'"
        raise BadRequestError(msg, param="input_file_id", code="invalid_purpose")
    caller, expiry = request.state.caller, body.output_expires_after
    record = await corpus.create_batch(
        NewBatch(
            tenant=caller.tenant,
            key_id=caller.key_id,
            endpoint=body.endpoint,
            input_file_id=file.id,
            window_s=_WINDOW_S,
            metadata=body.metadata,
            output_life_s=expiry.seconds if expiry else None,
            public_url=public_url() or None,
        )
    )
    request.app.state.batches.wake()
    return json_reply(_batch_object(record))


@router.get("", response_model=ListPage[Batch], summary="List the batches")
async def list_batches(
    request: Request,
    corpus: InjectedCorpus,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
) -> Response:
    """Gives one page, newest first."""
    page = await corpus.list_batches(request.state.caller.tenant, limit=limit, after=after)
    ids = [record.id for record in page.items]
    return list_reply([_batch_object(one) for one in page.items], ids, has_more=page.has_more)


@router.get("/{batch_id}", response_model=Batch, summary="Describe a batch")
async def get_batch(request: Request, batch_id: str, corpus: InjectedCorpus) -> Response:
    """Tells how far a batch is."""
    return json_reply(_batch_object(await corpus.get_batch(request.state.caller.tenant, batch_id)))


@router.post("/{batch_id}/cancel", response_model=Batch, summary="Cancel a batch")
async def cancel_batch(request: Request, batch_id: str, corpus: InjectedCorpus) -> Response:
    """Ends a batch soon; what was answered until then is in its output file."""
    record = await corpus.cancel_batch(request.state.caller.tenant, batch_id)
    request.app.state.batches.wake()
    return json_reply(_batch_object(record))


def _batch_object(record: BatchRecord) -> Batch:
    """Makes OpenAI's object of a batch."""
    times: dict[str, Any] = {f"{name}_at": record.times.get(name) for name in _TIMES}
    faults = [BatchError.model_validate(vars(one)) for one in record.faults]
    return Batch(
        id=record.id,
        object="batch",
        endpoint=record.endpoint,
        errors=Errors(object="list", data=faults) if faults else None,
        input_file_id=record.input_file_id,
        completion_window="24h",
        status=record.status,
        output_file_id=record.output_file_id,
        error_file_id=record.error_file_id,
        created_at=record.created_at,
        expires_at=record.expires_at,
        request_counts=BatchRequestCounts(
            total=record.num_total, completed=record.num_completed, failed=record.num_failed
        ),
        metadata=None if record.metadata is None else dict(record.metadata),
        model=record.model,
        usage=BatchUsage(
            input_tokens=record.num_input_tokens,
            input_tokens_details=InputTokensDetails(cached_tokens=0),
            output_tokens=record.num_output_tokens,
            output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
            total_tokens=record.num_input_tokens + record.num_output_tokens,
        ),
        **times,
    )
