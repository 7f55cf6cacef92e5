"""`/admin/v1/tenants`: what the caller's own tenant stores, and its end.

All tenants are told of, and deleted, by `python -m graphs.tenants` where the server runs.
"""

import asyncio
import time
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from graphs.api.border.replies import ListPage, json_reply, list_reply
from graphs.api.errors import ForbiddenError, UnknownTenantError
from graphs.api.services import InjectedCorpus, InjectedServices
from graphs.caller import Caller
from index.catalog.tenants.tenants import NUMBERS, TenantRecord

router = APIRouter(tags=["admin"], prefix="/admin/v1/tenants")

_LONGEST_S = 20.0  # of one request that deletes; the next goes on
_MARGIN_S = 1.0


class Tenant(BaseModel):
    """What there is of a tenant."""

    object: Literal["tenant"] = "tenant"
    id: str
    num_files: int
    num_bytes: int
    num_stores: int
    num_passages: int
    num_uploads: int
    num_responses: int
    num_conversations: int
    num_batches: int
    num_feedback: int
    num_keys: int


class DeletedTenant(BaseModel):
    """How far the deletion is; where it is not done, ask again."""

    object: Literal["tenant.deleted"] = "tenant.deleted"
    id: str
    deleted: bool


@router.get("", response_model=ListPage[Tenant], summary="What the tenant stores")
async def list_tenants(request: Request, corpus: InjectedCorpus) -> Response:
    """Gives the caller's own tenant, the only one that it knows of."""
    tenant = request.state.caller.tenant
    found = await corpus.list_tenants(tenant) or (TenantRecord(id=tenant),)
    return list_reply([_shown(one) for one in found], [tenant], has_more=False)


@router.delete("/{tenant}", response_model=DeletedTenant, summary="Delete the tenant for good")
async def delete_tenant(
    request: Request, tenant: str, corpus: InjectedCorpus, services: InjectedServices
) -> Response:
    """Deletes all that belongs to the caller's tenant, at the end the caller's key.

    The other keys end first, and every Gateway knows it before anything is deleted. Usage and the
    audit log stay.
    """
    caller: Caller = request.state.caller
    if not caller.key_id:
        raise ForbiddenError("Without keys the tenant is deleted by `python -m graphs.tenants`.")
    if tenant != caller.tenant:
        raise UnknownTenantError(f"no tenant {tenant!r}")
    ends_at = time.monotonic() + _LONGEST_S
    if await corpus.revoke_tenant(tenant, but=caller.key_id):
        await asyncio.sleep(services.config.auth.fresh_s + _MARGIN_S)
    while await corpus.delete_tenant_portion(tenant):
        if time.monotonic() >= ends_at:
            return json_reply(DeletedTenant(object="tenant.deleted", id=tenant, deleted=False))
    await corpus.forget_tenant(tenant)
    return json_reply(DeletedTenant(object="tenant.deleted", id=tenant, deleted=True))


def _shown(record: TenantRecord) -> Tenant:
    return Tenant(
        object="tenant", id=record.id, **{name: getattr(record, name) for name in NUMBERS}
    )
