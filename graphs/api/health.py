"""`/healthz` says that the process lives, `/readyz` that it can answer."""

from collections.abc import Mapping

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from graphs.api.errors import NotReadyError, error_response, reply_of
from graphs.api.services import InjectedServices

router = APIRouter(tags=["health"])


class Liveness(BaseModel):
    """The process lives."""

    status: str


class Readiness(BaseModel):
    """Every stage, and whether it can answer."""

    status: str
    checks: Mapping[str, bool]


@router.get("/healthz", response_model=Liveness, summary="Is the process alive?")
async def get_health() -> JSONResponse:
    """Answers 200 without asking anybody else."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", response_model=Readiness, summary="Can it answer?")
async def get_readiness(services: InjectedServices) -> JSONResponse:
    """Answers 200 when every stage can answer, else the usual error with `checks` beside it."""
    checks = dict(await services.pipeline.ready())
    if all(checks.values()):
        return JSONResponse({"status": "ready", "checks": checks})
    missing = ", ".join(name for name, is_ready in checks.items() if not is_ready)
    error = NotReadyError(f"not ready: {missing}")
    body = reply_of(error).model_dump() | {"checks": checks}
    refused = error_response(error)
    headers = {name: refused.headers[name] for name in ("retry-after", "retry-after-ms")}
    return JSONResponse(body, refused.status_code, headers)
