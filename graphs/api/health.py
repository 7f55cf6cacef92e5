"""`/healthz` says that the process lives, `/readyz` that it can answer."""

from collections.abc import Mapping
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from graphs.api.error_replies import error_response, reply_of
from graphs.api.errors import NotReadyError
from graphs.api.services import InjectedServices, Services

router = APIRouter(tags=["health"])

_OPTIONAL = {"ingester", "reranker"}


class Liveness(BaseModel):
    """The process lives."""

    status: Literal["ok"]


class ModelPhase(BaseModel):
    """How far a model is: `starting`, `loading`, `warming up` or `serving`, and for how long.

    `model` is what answers; `failure` says why what the settings name does not.
    """

    phase: str
    seconds: float
    model: str = ""
    failure: str = ""


class Readiness(BaseModel):
    """Every stage, and whether it can answer; of each model how far it is."""

    status: Literal["ready"]
    checks: Mapping[str, bool]
    models: Mapping[str, ModelPhase] = {}


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
    models = _phases(services)
    missing = [name for name, is_ready in checks.items() if not is_ready and name not in _OPTIONAL]
    if not missing:
        return JSONResponse({"status": "ready", "checks": checks} | models)
    error = NotReadyError(f"not ready: {', '.join(missing)}")
    body = reply_of(error).model_dump() | {"checks": checks} | models
    refused = error_response(error)
    headers = {name: refused.headers[name] for name in ("retry-after", "retry-after-ms")}
    return JSONResponse(body, refused.status_code, headers)


def _phases(services: Services) -> dict[str, object]:
    """The models as they were known last: a busy generator is not waited for."""
    phases = {
        role: ModelPhase(
            phase=report.phase, seconds=report.phase_s, model=report.model, failure=report.failure
        ).model_dump(exclude_defaults=True)
        for role, report in services.reports.latest().items()
    }
    return {"models": phases} if phases else {}
