"""One line a request, readable as JSON; no text of a user in any line, however the request ends."""

import json
import logging

import pytest
from ray._common.formatters import JSONFormatter

from graphs.errors import OverloadedError, StageUnavailableError
from graphs.observing.observer import Observer
from graphs.observing_settings import ObservingSettings
from tests.graphs.fake_stages import FakeStages, chat, pipeline
from tests.graphs.observing.recorder import RecordingMeter

CANARY = "zanzibarquux"
FAKES = {
    "answered": FakeStages(answer=(f"{CANARY}. ", "[2]")),
    "declined": FakeStages(scores=(0, 0, 0)),
    "refused": FakeStages(harmful=CANARY),
    "overloaded": FakeStages(failing={"embed": OverloadedError("full")}),
    "unavailable": FakeStages(failing={"search": StageUnavailableError("down")}),
}


async def lines_of(fake, caplog):
    observer = Observer(ObservingSettings(), RecordingMeter())
    request = chat("Earlier?", "Yes.", f"What is {CANARY}?")
    try:
        async for _ in pipeline(fake, observer).answer(request):
            pass
    except (OverloadedError, StageUnavailableError):
        pass
    formatter = JSONFormatter()
    return [formatter.format(record) for record in caplog.records]


@pytest.mark.parametrize("outcome", FAKES)
async def test_every_end_writes_one_line_without_a_word_of_the_user(caplog, outcome):
    caplog.set_level(logging.INFO)
    lines = await lines_of(FAKES[outcome], caplog)
    assert not [line for line in lines if CANARY in line]
    (told,) = [one for one in map(json.loads, lines) if "outcome" in one]
    assert (told["outcome"], told["request_id"], told["operation"]) == (outcome, "r", "chat")
    assert told["total_ms"] > 0
    assert told["latency_ms"]["check_question"] >= 0


async def test_at_debug_each_run_of_a_stage_has_its_line(caplog):
    caplog.set_level(logging.DEBUG)
    lines = [json.loads(line) for line in await lines_of(FakeStages(), caplog)]
    stages = {one["stage"] for one in lines if "stage" in one}
    assert stages >= {"embed", "retrieve", "rerank", "generate"}
    assert all(one["request_id"] == "r" for one in lines if "stage" in one)
