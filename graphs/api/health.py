"""`/healthz` says that the process lives, `/readyz` that it can answer."""

from collections.abc import Mapping
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from graphs.api.errors import NotReadyError, error_response, reply_of
from graphs.api.services import InjectedServices

router = APIRouter(tags=["health"])

_OPTIONAL = {"ingester", "reranker"}


class Liveness(BaseModel):
    """The process lives."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Every stage, and whether it can answer."""

    status: Literal["ready"]
    checks: Mapping[str, bool]


@router.get("/healthz", response_model=Liveness, summary="Is the process alive?")
async def get_health() -> JSONResponse:
    """Answers 200 without asking anybody else."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", response_model=Readiness, summary="Can it answer?")
async def get_readiness(services: InjectedServices) -> JSONResponse:
    """Answers 200 when questions can be answered, else the usual error with `checks` beside it.

    Without the ingester nothing is written, and without the reranker the order of the search
    stands, yet every question is answered: `checks` shows it, and a load balancer goes on sending
    questions here.
    """
    checks = dict(await services.pipeline.ready())
    missing = [name for name, is_ready in checks.items() if not is_ready and name not in _OPTIONAL]
    if not missing:
        return JSONResponse({"status": "ready", "checks": checks})
    error = NotReadyError(f"not ready: {', '.join(missing)}")
    body = reply_of(error).model_dump() | {"checks": checks}
    refused = error_response(error)
    headers = {name: refused.headers[name] for name in ("retry-after", "retry-after-ms")}
    return JSONResponse(body, refused.status_code, headers)
