"""`GET /admin/v1/usage`: the tokens of the caller's own tenant, by day, key and model."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from graphs.accounts.accounts import Accounts
from graphs.accounts.usage_table import written
from graphs.api.border.replies import json_reply
from graphs.api.services import InjectedCorpus

router = APIRouter(tags=["admin"], prefix="/admin/v1/usage")


class UsageRow(BaseModel):
    """The sums of one day, in UTC."""

    object: Literal["usage"] = "usage"
    day: str
    tenant: str
    key_id: str
    model: str
    num_calls: int
    num_prompt_tokens: int
    num_completion_tokens: int


class UsageList(BaseModel):
    """All rows of the days that were asked for, oldest first."""

    object: Literal["list"] = "list"
    data: list[UsageRow]


_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.get("", response_model=UsageList, responses=_CSV, summary="Tokens by day, key and model")
async def get_usage(
    request: Request,
    corpus: InjectedCorpus,
    since: date | None = None,
    until: date | None = None,
    key_id: Annotated[str | None, Query(max_length=64)] = None,
    format: Literal["json", "csv"] = "json",
) -> Response:
    """Tells what was used on the days `since`..`until`, both inclusive, up to this moment."""
    accounts: Accounts = request.app.state.accounts
    await accounts.journal.written()  # of this Gateway; others write within a second
    rows = await corpus.usage(
        since.isoformat() if since else "",
        until.isoformat() if until else "9999-12-31",
        tenant=request.state.caller.tenant,
        key_id=key_id,
    )
    if format == "csv":
        return Response(written(rows, "csv"), media_type="text/csv; charset=utf-8")
    names = UsageRow.model_fields.keys() - {"object"}
    data = [
        UsageRow(object="usage", **{name: getattr(row, name) for name in names}) for row in rows
    ]
    return json_reply(UsageList(object="list", data=data))
