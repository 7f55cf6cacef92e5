"""What is kept of answers, of whom, for how long, and that personal data are not among it."""

import asyncio
import stat
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pyarrow import parquet
from pydantic import ValidationError

from graphs.caller import Caller
from graphs.config import GatewayConfig
from graphs.gateway import Graph, Kept
from graphs.observing.quality_log import QualityLog, delete_old, logged
from graphs.pipeline.trace import log_trace
from graphs.settings import QualityLogSettings
from tests.graphs.fake_stages import FakeStages, chat, pipeline

ACME = Caller(tenant="acme")
ASKED = "What is two? Tell jane.doe@acme-corp.io, card 4111 1111 1111 1111."


def log_in(folder, **settings):
    return QualityLog(QualityLogSettings(folder=str(folder), tenants=("acme",), **settings))


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
    (path,) = (tmp_path / "log").glob("tenant=acme/day=*/*.parquet")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


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
    log = QualityLog(settings, seed=1)
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
