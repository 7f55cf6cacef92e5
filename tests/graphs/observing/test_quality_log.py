"""What is kept of answers, of whom, for how long, and that personal data are not among it."""

import asyncio
import gc
import stat
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pyarrow import parquet
from pydantic import ValidationError

from graphs.caller import Caller
from graphs.config import GatewayConfig
from graphs.gateway import Graph, Kept
from graphs.observing import quality_log
from graphs.observing.quality_log import (
    LoggedAnswer,
    LoggedPassage,
    QualityLog,
    delete_old,
    logged,
)
from graphs.observing.versions import versions_of
from graphs.observing_settings import QualityLogSettings
from graphs.pipeline.trace import log_trace
from tests.graphs.fake_stages import FakeStages, chat, pipeline

ACME = Caller(tenant="acme")
ASKED = "What is two? Tell jane.doe@acme-corp.io, card 4111 1111 1111 1111."


VERSIONS = versions_of(GatewayConfig())


def log_in(folder, **settings):
    settings = QualityLogSettings(folder=str(folder), tenants=("acme",), **settings)
    return QualityLog(settings, VERSIONS)


async def answer(log, request, fake=None, **settings):
    """Answers as the Gateway does; gives the events."""
    events = pipeline(fake or FakeStages(), **settings).answer(request)
    if log.wants(request):
        events = logged(events, request, log)
    return [event async for event in events]


def rows(folder):
    return [
        row
        for path in sorted(folder.glob("tenant=*/day=*/*.parquet"))
        for row in parquet.ParquetFile(path).read().to_pylist()
    ]


async def test_an_answer_is_kept_with_what_it_stood_on_and_without_personal_data(tmp_path):
    log = log_in(tmp_path / "log")
    no_checks = {"safety": {"check_question": False, "check_answer": False}}
    events = await answer(log, chat(ASKED, caller=ACME), **no_checks)
    assert rows(tmp_path / "log") == []  # it is written a little later
    await log.flush()
    (row,) = rows(tmp_path / "log")
    assert row["question"] == "What is two? Tell [email], card [payment_card]."
    assert (row["answer"], row["outcome"]) == ("Text of 2. [1] And more.", "answered")
    assert [one["text"] for one in row["passages"]] == [p.text for p in events[0].passages]
    assert row["relevance"] == pytest.approx(0.9)
    assert row["model"] == events[0].identity
    assert row["versions"] == VERSIONS
    (path,) = (tmp_path / "log").glob("tenant=acme/day=*/*.parquet")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_versions_tell_the_models_and_whether_any_setting_has_changed():
    assert set(VERSIONS) == {"ragfleet", "embedder", "reranker", "safety", "settings"}
    assert versions_of(GatewayConfig()) == VERSIONS
    changes = [{"answers": "quote"}, {"retrieval": {"rerank_threshold": 0.9}}]
    told = [versions_of(GatewayConfig.model_validate(one)) for one in changes]
    assert len({one["settings"] for one in (VERSIONS, *told)}) == 3
    renamed = versions_of(GatewayConfig.model_validate({"served_names": {"reranker": "r2"}}))
    assert renamed["reranker"] == "r2"


@pytest.mark.parametrize(
    "request_",
    [
        chat("What is two?", caller=Caller(tenant="birch")),
        chat("What is two?", caller=ACME, may_be_logged=False),
        chat("What is two?", caller=ACME, retrieves=False),
        replace(chat("What is two?", caller=ACME), identity="m"),
    ],
    ids=["tenant", "request", "bare", "resumed"],
)
async def test_who_did_not_agree_is_not_kept(tmp_path, request_):
    log = log_in(tmp_path)
    assert not log.wants(request_)


async def test_what_was_refused_is_not_kept_and_what_was_declined_is(tmp_path):
    log = log_in(tmp_path)
    await answer(log, chat("What is two?", caller=ACME), FakeStages(harmful="two"))
    await answer(log, chat("Who is nine?", caller=ACME), FakeStages(scores=(0.0, 0.0, 0.0)))
    await log.flush()
    assert [row["outcome"] for row in rows(tmp_path)] == ["declined"]


async def test_rows_are_written_by_number_and_by_time(tmp_path):
    log = log_in(tmp_path / "many", max_rows=2)
    for _ in range(2):
        await answer(log, chat("What is two?", caller=ACME))
    await asyncio.wait([log._writing])
    assert len(rows(tmp_path / "many")) == 2
    soon = log_in(tmp_path / "soon", flush_s=0.01)
    await answer(soon, chat("What is two?", caller=ACME))
    await asyncio.sleep(0.05)
    await soon.flush()
    assert len(rows(tmp_path / "soon")) == 1


async def test_a_folder_that_cannot_be_written_costs_no_answer(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    log = log_in(tmp_path / "file")
    events = await answer(log, chat("What is two?", caller=ACME))
    await log.flush()
    assert events[-1].finish_reason == "stop"
    assert "the quality log is not written, 1 answers" in caplog.text
    assert "two" not in caplog.text.replace("not written", "")


def row(number=1, **changes):
    row = LoggedAnswer(
        request_id=f"r{number}", tenant="acme", ended_at=time.time(), question="What?",
        search_query="", answer="This.", outcome="answered", relevance=0.5,
        passages=(LoggedPassage(file="a.md", text="This.", score=0.5),), model="m", degraded=(),
        versions={"ragfleet": "0.1.0"},
    )  # fmt: skip
    return replace(row, **changes)


async def written(folder, number):
    """Waits until there are so many rows."""
    await until(lambda: len(rows(folder)) >= number)


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it does not come")


async def test_rows_that_come_during_a_write_are_written_after_it(tmp_path):
    log = log_in(tmp_path, max_rows=10, flush_s=0.05)
    for _ in range(2):
        for number in range(10):
            log.add(row(number))
        await asyncio.sleep(0)
    log.add(row(20))
    await written(tmp_path, 21)


async def test_rows_of_a_log_that_settings_replace_are_written(tmp_path):
    log = log_in(tmp_path, flush_s=0.05)
    log.add(row())
    del log
    gc.collect()
    await written(tmp_path, 1)


async def test_a_row_that_is_no_text_costs_no_other_one(tmp_path, caplog):
    log = log_in(tmp_path)
    for one in (row(1), row(2, question="\ud800"), row(3)):
        log.add(one)
    await log.flush()
    assert [one["request_id"] for one in rows(tmp_path)] == ["r1", "r3"]
    assert "lacks request_id=r2" in caplog.text


async def test_a_disk_that_is_full_leaves_no_half_file(tmp_path, monkeypatch):
    log = log_in(tmp_path)

    def full(_table, file):
        file.write(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", full)
    log.add(row())
    await log.flush()
    assert [*tmp_path.rglob("*.new")] == []


async def test_days_past_their_time_are_deleted_at_the_start(tmp_path):
    day = tmp_path / "tenant=acme" / "day=2020-01-01"
    day.mkdir(parents=True)
    log_in(tmp_path)
    await until(lambda: not day.exists())


async def test_days_are_deleted_though_nobody_asks_while_the_log_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(quality_log, "_DELETE_S", 0.01)
    threads = set(threading.enumerate())
    log = log_in(tmp_path)
    (deleting,) = set(threading.enumerate()) - threads
    day = tmp_path / "tenant=acme" / "day=2020-01-01"
    for _ in range(3):
        day.mkdir(parents=True)
        await until(lambda: not day.exists())
    del log
    gc.collect()
    await until(lambda: not deleting.is_alive())


async def test_names_of_files_are_kept_without_personal_data(tmp_path):
    log = log_in(tmp_path)
    first, *others = await answer(log_in(tmp_path / "other"), chat("What is two?"))
    named = [replace(one, filename="jane.doe@acme-corp.io.md") for one in first.passages]

    async def events():
        yield replace(first, passages=tuple(named))
        for event in others:
            yield event

    assert [one async for one in logged(events(), chat("What?", caller=ACME), log)]
    await log.flush()
    (kept,) = rows(tmp_path)
    assert {one["file"] for one in kept["passages"]} == {"[email]"}


def test_days_past_their_time_are_deleted(tmp_path):
    for day in ("2026-10-29", "2026-10-30", "2026-11-29"):
        (tmp_path / "tenant=acme" / f"day={day}").mkdir(parents=True)
    delete_old(tmp_path, 30, today=datetime(2026, 11, 29, 12, tzinfo=UTC))
    left = sorted(path.name for path in tmp_path.glob("*/*"))
    assert left == ["day=2026-10-30", "day=2026-11-29"]


@pytest.mark.parametrize(
    "settings",
    [{"folder": "log", "tenants": ("a",)}, {"folder": "/log", "tenants": ()},
     {"folder": "/log"}, {"folder": "/log", "tenants": ("../a",)}],
)  # fmt: skip
def test_the_log_needs_a_folder_and_who_agreed(settings):
    with pytest.raises(ValidationError):
        QualityLogSettings(**settings)


def test_a_share_is_drawn(tmp_path):
    settings = QualityLogSettings(folder=str(tmp_path), tenants=("*",), share=0.3)
    log = QualityLog(settings, VERSIONS, seed=1)
    kept = sum(log.wants(chat("What?", caller=ACME)) for _ in range(1000))
    assert 250 < kept < 350


async def test_the_gateway_keeps_what_its_settings_say_and_else_nothing(tmp_path):
    kept = {"quality_log": {"folder": str(tmp_path / "on"), "tenants": ["*"]}}
    for observing in (kept, {}):
        graph = graph_of(GatewayConfig.model_validate({"observing": observing}))
        request = chat("What is two?", caller=ACME)
        events = [event async for event in graph.answer(request)]
        assert events[-1].finish_reason == "stop"
        if graph._quality_log is not None:
            await graph._quality_log.flush()
    assert len(rows(tmp_path)) == 0
    assert len(rows(tmp_path / "on")) == 1


def graph_of(config):
    """The graph of a Gateway over handles that nobody calls; its pipeline is that of the fakes."""
    roles = ("generator", "embedder", "reranker", "safety_filter", "retriever", "ingester")
    handles = {role: (SimpleNamespace(deployment_name=role),) for role in roles}
    graph = Graph(config, handles, log_trace, Kept())
    graph.pipeline = pipeline(FakeStages())
    return graph


@pytest.mark.parametrize(
    ("route", "body", "may"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Where?"}]}, True),
        (
            "/v1/chat/completions",
            {
                "messages": [{"role": "user", "content": "Where?"}],
                "rag": {"quality_log": False},
            },
            False,
        ),
        ("/v1/responses", {"input": "Where?"}, True),
        ("/v1/responses", {"input": "Where?", "store": False}, False),
    ],
)
async def test_a_request_may_say_that_it_is_not_kept(api_http, api_pipeline, route, body, may):
    reply = await api_http.post(route, json={"model": "rag", **body})
    assert reply.status_code == 200, reply.text
    assert api_pipeline.requests[-1].may_be_logged == may
