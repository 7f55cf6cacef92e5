import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from index.catalog.accounts.records import AuditQuery, AuditRecord, Parcel, UsageRecord
from index.catalog.catalog import Catalog

DAY = "2026-11-29"
NOW = 1_764_000_000.0


@pytest.fixture
def now():
    return [NOW]


@pytest.fixture
def catalog(url, now):
    catalog = Catalog(url, clock=lambda: now[0])
    yield catalog
    catalog.close()


def used(prompt, completion, *, once="", key="k1"):
    return UsageRecord(
        day=DAY, tenant="t", key_id=key, model="generator", once=once,
        num_prompt_tokens=prompt, num_completion_tokens=completion,
    )  # fmt: skip


def audited(request_id="r1", *, at=NOW, documents=(), tenant="t"):
    return AuditRecord(
        at=at, event="request", request_id=request_id, tenant=tenant, key_id="k1",
        action="POST /v1/chat/completions", decision="allowed", status=200, documents=documents,
    )  # fmt: skip


def sums(catalog, **which):
    return [
        (row.key_id, row.num_calls, row.num_prompt_tokens, row.num_completion_tokens)
        for row in catalog.usage(**which)
    ]


def test_a_parcel_that_is_sent_again_is_written_once(catalog):
    parcel = Parcel(writer="g1", number=1, usage=(used(10, 5), used(1, 1)), audit=(audited(),))
    for _ in range(3):
        catalog.write_parcel(parcel)
    assert sums(catalog) == [("k1", 2, 11, 6)]
    assert len(catalog.audit(AuditQuery())) == 1
    catalog.write_parcel(Parcel(writer="g1", number=2, usage=(used(10, 5),)))
    catalog.write_parcel(Parcel(writer="g2", number=1, usage=(used(10, 5, key="k2"),)))
    assert sums(catalog) == [("k1", 3, 21, 11), ("k2", 1, 10, 5)]


def test_an_answer_that_is_made_again_counts_as_its_longest_form(catalog):
    forms = [used(10, 3, once="a"), used(10, 50, once="a"), used(10, 20, once="a")]
    catalog.write_parcel(Parcel(writer="g1", number=1, usage=(forms[0],)))
    catalog.write_parcel(Parcel(writer="g2", number=1, usage=tuple(forms[1:])))
    assert sums(catalog) == [("k1", 1, 10, 50)]


def test_usage_is_told_by_days_tenant_and_key(catalog):
    catalog.write_parcel(Parcel(writer="g", number=1, usage=(used(1, 1), used(2, 2, key="k2"))))
    assert sums(catalog, key_id="k2") == [("k2", 1, 2, 2)]
    assert sums(catalog, since="2026-11-30") == sums(catalog, tenant="other") == []
    assert sums(catalog, since=DAY, until=DAY) == [("k1", 1, 1, 1), ("k2", 1, 2, 2)]


def test_the_audit_log_is_read_by_what_is_asked(catalog):
    rows = (audited("r1", documents=("file-1",)), audited("r2", at=NOW + 5, tenant="u"))
    catalog.write_parcel(Parcel(writer="g", number=1, audit=rows))
    wanted = {
        "r1": [AuditQuery(document="file-1"), AuditQuery(until=NOW + 5), AuditQuery(limit=1)],
        "r2": [AuditQuery(tenant="u"), AuditQuery(since=NOW + 1), AuditQuery(request_id="r2")],
    }
    for request_id, queries in wanted.items():
        for query in queries:
            assert [row.request_id for row in catalog.audit(query)] == [request_id], query
    first = catalog.audit(AuditQuery())[0]
    assert [row.request_id for row in catalog.audit(AuditQuery(after=first.seq))] == ["r2"]


def test_the_audit_log_cannot_be_changed_and_new_rows_not_deleted(catalog, now):
    now[0] = time.time()
    catalog.write_parcel(Parcel(writer="g", number=1, audit=(audited(at=now[0]),)))
    statements = ["UPDATE audit_log SET tenant = 'x'", "DELETE FROM audit_log"]
    if catalog._engine.dialect.name == "postgresql":
        statements.append("TRUNCATE audit_log")
    for statement in statements:
        with pytest.raises(DBAPIError, match="append-only"), catalog._engine.begin() as connection:
            connection.execute(text(statement))
    assert len(catalog.audit(AuditQuery())) == 1


def test_only_old_rows_are_pruned(catalog, now):
    rows = (audited("old", at=NOW - 31 * 86_400), audited("new"))
    catalog.write_parcel(Parcel(writer="g", number=1, usage=(used(1, 1, once="a"),), audit=rows))
    assert catalog.prune_accounts(audit_days=30) == 1
    assert [row.request_id for row in catalog.audit(AuditQuery())] == ["new"]
    catalog.write_parcel(Parcel(writer="g", number=1, usage=(used(1, 1),)))
    assert sums(catalog) == [("k1", 1, 1, 1)]  # the writer is still known
