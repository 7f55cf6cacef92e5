"""`/admin/v1/system/plan`: what `serve deploy` of a config would do to what runs; it does nothing.

The same rules as `python -m cluster.plan CONFIG --against URL`. Values of what runs are not told:
only which keys differ, and what that leads to.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from deployments.user_config import ConfigFault, shown
from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.replies import json_reply
from graphs.api.services import InjectedServices
from graphs.errors import ConfigError
from graphs.serve_config.blocks import BUILDER
from graphs.serve_config.checks import faults_in
from graphs.serve_config.config_file import parse_config_file
from graphs.serve_config.differences import Effect, differences
from graphs.serve_config.imported import PREFIX_ROUTER, SPAN_EXPORTER, imported, same_path
from graphs.serve_config.scaling import POLICY
from graphs.system import RunningConfig

router = APIRouter(tags=["system"], prefix="/admin/v1/system/plan", route_class=JsonRoute)

_MAX_CHARS = 100_000  # a config of 64 shards has half as many


class PlanBody(RequestModel):
    """A Serve config, as the file holds it."""

    config: str = Field(min_length=1, max_length=_MAX_CHARS)


class Change(BaseModel):
    """One key that differs, and what a deploy would do for it; see `Difference`."""

    where: str
    key: str
    effect: Effect
    told: str


class ConfigPlan(BaseModel):
    """What would change; nothing where there are faults, with which the config is refused."""

    object: Literal["plan"]
    faults: list[str]
    changes: list[Change]


@router.post("", response_model=ConfigPlan, summary="Compare a Serve config with what runs")
async def plan_config(body: PlanBody, services: InjectedServices) -> Response:
    """Tells what a deploy of the config would change in place, load anew, roll or restart."""
    running = await services.system.running()
    return json_reply(await asyncio.to_thread(_planned, body.config, running))


def _planned(text: str, running: RunningConfig) -> ConfigPlan:
    try:
        file = parse_config_file(text, "config")
        file.refuse([*_foreign(file.value, running), *_foreign_imports(file.value, running)])
        file.refuse(faults_in(file))
    except ConfigError as err:
        return ConfigPlan(object="plan", faults=str(err).splitlines(), changes=[])
    found = differences(running.value, file.value, name=running.name)
    changes = [Change(**asdict(one)) for one in found]
    return ConfigPlan(object="plan", faults=[], changes=changes)


def _foreign(value: Any, running: RunningConfig) -> Iterator[ConfigFault]:
    """Finds applications of other builders, which would be imported here, and misses our own."""
    own = [BUILDER, *(one.get("import_path") for one in _applications(running.value))]
    names = []
    for index, one in enumerate(_applications(value)):
        names.append(one.get("name", "default"))
        if one.get("import_path") not in own:
            where = ("applications", index, "import_path")
            message = f"must be that of what runs, got {shown(one.get('import_path'))}"
            yield ConfigFault(where=where, message=message)
    if running.name not in names:
        message = f"application {running.name!r} runs and is not here: a deploy would end it"
        yield ConfigFault(where=("applications",), message=message)


def _foreign_imports(value: Any, running: RunningConfig) -> Iterator[ConfigFault]:
    """Finds what Serve's schema would import here and does not yet: whoever asks sends no code."""
    running_paths = (path for _, path in imported(running.value))  # Serve does not tell of tracing
    ours = (POLICY, PREFIX_ROUTER, SPAN_EXPORTER)
    own = {same_path(path) for path in (*ours, *running_paths)}
    for where, path in imported(value):
        if same_path(path) not in own:
            message = f"must be one of what runs, {', '.join(map(repr, ours))}, got {shown(path)}"
            yield ConfigFault(where=where, message=message)


def _applications(value: Any) -> list[Mapping[str, Any]]:
    found = value.get("applications") if isinstance(value, Mapping) else None
    every = found if isinstance(found, list) else []
    return [one if isinstance(one, Mapping) else {} for one in every]
