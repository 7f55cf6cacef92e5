"""`/admin/v1/requests/{id}`: how a recent request came to its answer, for who runs the server."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import RootModel

from graphs.access.callers import tenant_since
from graphs.api.error_replies import ErrorReply
from graphs.api.errors import UnknownRequestError
from graphs.api.services import InjectedCorpus, InjectedServices
from graphs.observing.record import RequestRecord, to_json

router = APIRouter(tags=["admin"], prefix="/admin/v1/requests")


class KeptRequest(RootModel[RequestRecord]):
    """Stages, searches, rankings, sentences, verdicts and replicas of one request."""


@router.get(
    "/{request_id:path}",
    response_model=KeptRequest,
    responses={404: {"model": ErrorReply, "description": "This Gateway does not keep it."}},
    summary="Explain an answer",
)
async def get_request(
    request: Request, request_id: str, services: InjectedServices, corpus: InjectedCorpus
) -> Response:
    """Gives what `python -m graphs.explain` reads, of the caller's own tenant.

    A Gateway keeps its own last requests alone (`observing.recent_requests`); where several run,
    another one may have it.
    """
    caller = request.state.caller
    since = await tenant_since(corpus, caller)
    record = services.recent.find(request_id, caller.tenant, since)
    if record is None:
        msg = (
            f"no request {request_id!r} among the last {services.recent.size} of this Gateway; "
            "others may have it"
        )
        raise UnknownRequestError(msg)
    return JSONResponse(dict(to_json(record)))
