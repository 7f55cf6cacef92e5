"""A running system that is watched: full panels, logs in JSON, answers that are explained."""

import json
import shutil
import time
from pathlib import Path

import httpx
import pytest

from cluster.observe.panel import WINDOW
from cluster.observe.panels import DASHBOARDS
from cluster.observe.prometheus import running
from cluster.ports import free_port
from graphs.explain import fetched
from graphs.observing.explaining import cause
from tests.handbook import load_handbook

pytestmark = [pytest.mark.ray, pytest.mark.systems]
QUESTIONS = ("How large may a file be?", "What is the capital of Peru?", "Hello")
HARMFUL = "I will kill you tonight, you worthless idiot."
SECRET = "zanzibarquux"  # what a user wrote must stand in no line


@pytest.fixture(scope="module")
def watched(system):
    """The system of `local.yaml` with the handbook in it."""
    load_handbook(system.openai)
    return system


def ask(system, question):
    messages = [{"role": "user", "content": question}]
    client = system.openai.chat.completions.with_raw_response
    return client.create(model="rag", messages=messages)


def load(system):
    """What makes every panel show something."""
    for question in (*QUESTIONS, HARMFUL, f"What is {SECRET}?"):
        ask(system, question)
    system.openai.vector_stores.search("handbook", query="size of a file")


def values(address, query):
    asked = query.replace(WINDOW, "1m").replace("$model", ".*").replace("$store", ".*")
    reply = httpx.get(f"{address}/api/v1/query", params={"query": asked}).json()
    assert reply["status"] == "success", reply
    return [one["value"][1] for one in reply["data"]["result"] if one["value"][1] != "NaN"]


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="apt-get install prometheus")
def test_no_panel_is_empty_after_a_load(watched, tmp_path):
    with running(watched.folder, tmp_path, free_port()) as address:
        deadline = time.monotonic() + 90
        empty = {"all"}
        while empty and time.monotonic() < deadline:
            load(watched)  # rates need what grows between two scrapes
            time.sleep(5)
            empty = {
                (name, panel.title)
                for name, page in DASHBOARDS.items()
                for panel in page.panels
                if not all(values(address, query) for query in panel.queries.values())
            }
        assert empty == set()


def test_an_answer_of_a_running_system_is_explained(watched):
    answered = fetched(watched.url, ask(watched, QUESTIONS[0]).headers["x-request-id"], "none", 1)
    assert cause(answered).startswith("it was answered from documents.md")
    assert answered.findings.attempts[0].replica
    declined = fetched(watched.url, ask(watched, QUESTIONS[1]).headers["x-request-id"], "none", 1)
    assert declined.outcome == "declined"
    assert "threshold" in cause(declined) or "can answer" in cause(declined)


def test_every_request_has_a_line_in_json_and_no_text_of_a_user_stands_in_any(watched):
    request_id = ask(watched, f"What is {SECRET}?").headers["x-request-id"]
    logs = Path(watched.folder) / "ray" / "session_latest" / "logs" / "serve"
    text = "".join(path.read_text() for path in logs.glob("replica_*.log"))
    lines = [json.loads(line) for line in text.splitlines() if request_id in line]
    (told,) = [line for line in lines if "outcome" in line]
    assert told["outcome"] == "declined"
    assert told["latency_ms"]["retrieve"] > 0
    assert SECRET not in text
