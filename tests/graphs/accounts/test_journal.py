"""One record that the catalog refuses must not stop the others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from index.catalog.accounts.records import AuditQuery, AuditRecord, UsageRecord

NOTED = AuditRecord(
    at=1.0, event="request", request_id="r", tenant="t", key_id="k", action="POST /v1/files",
    decision="allowed",
)  # fmt: skip
USED = UsageRecord(
    day="2026-11-29", tenant="t", key_id="k", model="m", num_prompt_tokens=1,
    num_completion_tokens=1,
)  # fmt: skip
BAD_TEXT = "\ud800"  # no database takes it
NO_NUMBER = 2**70


async def test_what_the_catalog_refuses_is_dropped_and_nothing_else(gateways):
    gateway = gateways.start()
    for number in range(20):
        gateway.journal.count(replace(USED, num_prompt_tokens=NO_NUMBER if number == 3 else 1))
        action = BAD_TEXT if number in (0, 7, 19) else f"POST /v1/{number}"
        gateway.note(replace(NOTED, action=action))
    await gateway.journal.written()
    assert gateway.journal.num_dropped == 4
    (row,) = gateways.catalog.usage()
    assert (row.num_calls, row.num_prompt_tokens) == (19, 19)
    written = [one.action for one in gateways.catalog.audit(AuditQuery())]
    assert written == [f"POST /v1/{n}" for n in range(20) if n not in (0, 7, 19)]


async def test_later_records_are_written(gateways):
    gateway = gateways.start()
    for action in (BAD_TEXT, "POST /v1/batches"):
        gateway.note(replace(NOTED, action=action))
        await gateway.journal.written()
    assert [one.action for one in gateways.catalog.audit(AuditQuery())] == ["POST /v1/batches"]


async def test_days_that_are_over_are_deleted_from_the_folder_too(gateways, tmp_path):
    gateways.audit = gateways.audit.model_copy(update={"folder": str(tmp_path), "kept_days": 30})
    today = datetime.now(UTC).date()
    old, kept = (f"audit-{today - timedelta(days=ago)}-gone.jsonl" for ago in (31, 29))
    for name in (old, kept, "audit-notes.jsonl"):
        (tmp_path / name).touch()
    gateway = gateways.start()
    gateway.note(NOTED)
    await gateway.journal.written()
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 3  # with the one of today
    assert left > {kept, "audit-notes.jsonl"}


async def test_old_rows_that_cannot_be_deleted_stop_nothing(gateways):
    call = gateways.corpora._call

    async def failing(viewer, method, *args, **kwargs):
        if method == "prune_accounts":
            raise RuntimeError("no")
        return await call(viewer, method, *args, **kwargs)

    gateways.corpora._call = failing
    gateway = gateways.start()
    for _ in range(2001):  # two parcels
        gateway.note(NOTED)
    await gateway.journal.written()
    assert len(gateways.catalog.audit(AuditQuery(limit=9999))) == 2001
