"""`/admin/v1/keys`: the API keys of the caller's own tenant. A key is shown once, when it is made.

Keys of any tenant, the first one, and those that may have more than who makes them, are made by
`python -m graphs.keys` where the server runs.
"""

import time
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from graphs.access.callers import LIMITS
from graphs.api.border.bodies.strict_json import JsonRoute, RequestModel
from graphs.api.border.replies import ListPage, json_reply, list_reply
from graphs.api.errors import BadRequestError, ForbiddenError
from graphs.api.services import InjectedCorpus, InjectedServices
from graphs.caller import Caller, CallerLimits
from index.catalog.keys.keys import MAX_OVERLAP_S
from index.catalog.keys.records import KeyGrant, KeyRecord, NewKey, ServiceClass, is_vouched
from index.errors import InvalidKeyError

router = APIRouter(tags=["admin"], prefix="/admin/v1/keys", route_class=JsonRoute)

_FORBIDDEN = "The API key does not allow this request."
_MAX_LIFE_S = 10 * 365 * 86_400
_Name = Annotated[str, Field(max_length=256)]
_CLASSES: tuple[ServiceClass, ...] = ("flex", "default", "priority")  # the best last
_Member = Annotated[str, Field(min_length=1, max_length=128)]


class CreateKeyBody(RequestModel):
    """What a new key is for."""

    name: _Name = ""
    scopes: Annotated[list[_Name], Field(min_length=1, max_length=64)]
    user: _Member | None = None
    groups: Annotated[list[_Member], Field(max_length=63, default_factory=list)]
    service_class: ServiceClass = "default"
    limits: dict[_Name, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    expires_in_s: Annotated[int, Field(ge=1, le=_MAX_LIFE_S)] | None = None


class RotateKeyBody(RequestModel):
    """For how long the text before is taken as well."""

    overlap_s: Annotated[int, Field(ge=0, le=MAX_OVERLAP_S)] = 3600


class ApiKey(BaseModel):
    """A key; `key` is its text, there only in the reply that makes it."""

    object: Literal["api_key"] = "api_key"
    id: str
    name: str
    tenant: str
    scopes: list[str]
    user: str | None
    groups: list[str]
    service_class: ServiceClass
    limits: dict[str, int]
    status: Literal["active", "expired", "revoked"]
    created_at: int
    expires_at: int | None
    rotated_at: int | None
    previous_until: int | None
    revoked_at: int | None
    last_used_at: int | None
    key: str | None = None


@router.post("", response_model=ApiKey, summary="Create an API key")
async def create_key(
    request: Request, body: CreateKeyBody, corpus: InjectedCorpus, services: InjectedServices
) -> Response:
    """Makes a key of the caller's tenant; its text is in this reply alone.

    Its class and limits are no better than the caller's own, and it ends no later.
    """
    caller: Caller = request.state.caller
    _check_class(body.service_class, caller)
    if "metrics" in body.scopes and "metrics" not in caller.scopes:
        raise ForbiddenError(_FORBIDDEN)
    own = await corpus.get_key(caller.tenant, caller.key_id) if caller.key_id else None
    grant = KeyGrant(
        tenant=caller.tenant,
        name=body.name,
        scopes=frozenset(body.scopes),
        user=body.user,
        groups=frozenset(body.groups),
        service_class=body.service_class,
        limits=_limits(body.limits, caller, services.config.limits.key.as_limits()),
        expires_at=_end(body.expires_in_s, own),
    )
    try:
        return json_reply(_shown(await corpus.create_key(grant)))
    except InvalidKeyError as err:  # all else was checked above
        raise BadRequestError(str(err), param="scopes", code=err.code) from err


@router.get("", response_model=ListPage[ApiKey], summary="List the API keys")
async def list_keys(request: Request, corpus: InjectedCorpus) -> Response:
    """Gives all keys of the caller's tenant, oldest first."""
    keys = [key_object(one) for one in await corpus.list_keys(request.state.caller.tenant)]
    return list_reply(keys, [one.id for one in keys], has_more=False)


@router.get("/{key_id}", response_model=ApiKey, summary="Describe an API key")
async def get_key(request: Request, key_id: str, corpus: InjectedCorpus) -> Response:
    """Gives the key without its text."""
    return json_reply(key_object(await corpus.get_key(request.state.caller.tenant, key_id)))


@router.post("/{key_id}/rotate", response_model=ApiKey, summary="Give an API key another text")
async def rotate_key(
    request: Request,
    key_id: str,
    body: RotateKeyBody,
    corpus: InjectedCorpus,
    services: InjectedServices,
) -> Response:
    """Renews a key; the id stays, and the text before is taken for `overlap_s` more.

    Who renews a key gets its text, so one that may more than the caller's is refused.
    """
    caller: Caller = request.state.caller
    tenant = caller.tenant
    renewed = await corpus.get_key(tenant, key_id)
    own = await corpus.get_key(tenant, caller.key_id) if caller.key_id else None
    if _may_more(renewed, caller, own, services.config.limits.key.as_limits()):
        raise ForbiddenError(_FORBIDDEN)
    return json_reply(_shown(await corpus.rotate_key(tenant, key_id, overlap_s=body.overlap_s)))


@router.delete("/{key_id}", response_model=ApiKey, summary="Revoke an API key")
async def revoke_key(request: Request, key_id: str, corpus: InjectedCorpus) -> Response:
    """Ends a key for good; every Gateway obeys within `auth.fresh_s`."""
    return json_reply(key_object(await corpus.revoke_key(request.state.caller.tenant, key_id)))


def _check_class(wanted: ServiceClass, caller: Caller) -> None:
    own = caller.service_class
    if _CLASSES.index(wanted) > _CLASSES.index(own):
        msg = f"service_class must not be above that of your own key, {own!r}, got {wanted!r}"
        raise BadRequestError(msg, param="service_class")


def _end(life_s: int | None, own: KeyRecord | None) -> int | None:
    """When a new key ends: no later than the key that makes it.

    Raises:
        BadRequestError: it would.
    """
    latest = _latest(own)
    if life_s is None:
        return latest
    now = int(time.time())
    if latest is not None and now + life_s > latest:
        msg = f"expires_in_s must be at most {latest - now}, the end of your own key, got {life_s}"
        raise BadRequestError(msg, param="expires_in_s")
    return now + life_s


def _latest(own: KeyRecord | None) -> int | None:
    """The end of the caller's key; tokens of an identity provider are short, and no bound."""
    return None if own is None or is_vouched(own.id) else own.expires_at


def _may_more(key: KeyRecord, caller: Caller, own: KeyRecord | None, shared: CallerLimits) -> bool:
    """Whether a key may anything that the caller could not give to a new one."""
    if key.id == caller.key_id:
        return False
    latest = _latest(own)
    if latest is not None and (key.expires_at is None or key.expires_at > latest):
        return True
    if "metrics" in key.scopes - caller.scopes:
        return True
    if _CLASSES.index(key.service_class) > _CLASSES.index(caller.service_class):
        return True
    for name in LIMITS:
        most: int | None = getattr(caller.limits, name, None) or getattr(shared, name)
        has: int | None = key.limits.get(name, getattr(shared, name))
        if most is not None and (has is None or has > most):
            return True
    return False


def _limits(wanted: Mapping[str, int], caller: Caller, shared: CallerLimits) -> dict[str, int]:
    """Gives the limits of a new key: at most the caller's own, or else those of the server.

    A limit that is not asked for is the server's, unless the caller's own is narrower.

    Raises:
        BadRequestError: one is unknown, or above what the caller may give.
    """
    unknown = sorted(set(wanted) - set(LIMITS))
    if unknown:
        msg = f"limits must be some of {', '.join(LIMITS)}, got {unknown[0]!r}"
        raise BadRequestError(msg, param="limits")
    limits = dict(wanted)
    for name in LIMITS:
        own: int | None = getattr(caller.limits, name, None)
        every: int | None = getattr(shared, name)
        most = every if own is None else own
        if name in wanted and most is not None and wanted[name] > most:
            whose = "of the server (limits.key)" if own is None else "of your own key"
            msg = f"limits.{name} must be at most {most}, that {whose}, got {wanted[name]}"
            raise BadRequestError(msg, param=f"limits.{name}")
        if name not in wanted and own is not None and (every is None or own < every):
            limits[name] = own
    return limits


def _shown(new: NewKey) -> ApiKey:
    return key_object(new.record).model_copy(update={"key": new.token})


def key_object(record: KeyRecord) -> ApiKey:
    """Makes the object of a key."""
    told = {**vars(record), "scopes": sorted(record.scopes), "groups": sorted(record.groups)}
    return ApiKey(**told, status=record.status_at(time.time()))
