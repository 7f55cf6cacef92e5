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
from tests.end_to_end.conftest import System, short_folder, write_config
from tests.handbook import load_handbook
from tests.ray_environment import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.systems]
QUESTIONS = ("How large may a file be?", "What is the capital of Peru?", "Hello")
HARMFUL = "I will kill you tonight, you worthless idiot."
PRICES = {"input": 0.15, "output": 0.6, "currency": "EUR"}  # the bundled generator has none
ELSE_ZERO = " or vector(0)"  # of panels whose metric is not there before it is counted first
# What this load does not bring about, with the test that records it.
REQUESTS = "graphs/observing/test_request_metrics.py"
ENGINES = "models/engines/test_measuring.py"
WATCHER = "cluster/test_spot_watcher.py::test_a_termination_drains_with_the_margin_off_the_deadline"
RECORDED_ELSEWHERE = {
    "Failed": f"{REQUESTS}::test_an_error_is_counted_by_its_kind_and_its_stage",
    "Errors of stages": f"{REQUESTS}::test_an_error_is_counted_by_its_kind_and_its_stage",
    "Went on without a stage": f"{REQUESTS}::test_what_is_left_out_declined_or_refused_is_counted",
    "Answers that moved": f"{REQUESTS}::test_an_answer_that_moves_is_counted",
    "Requests that gave their cache away": "deployments/test_engine_metrics.py::"
    "test_what_is_told_twice_is_one_metric_each",
    # Quoted answers are written in one step, each after a prompt of its own.
    "One more token, p95": f"{ENGINES}::test_an_answer_is_counted_and_timed",
    "Prefix cache hits": f"{ENGINES}::test_a_prefix_that_comes_again_is_found",
    "GPU memory": "cluster/observe/test_panels.py::"
    "test_what_is_asked_of_ray_and_of_the_watcher_is_told_by_them",
    "Spot notices": WATCHER,
    "Nodes that are drained": WATCHER,
    "From notice to drain, p95": WATCHER,
}
SECRET = "zanzibarquux"  # what a user wrote must stand in no line


@pytest.fixture(scope="module")
def watched():
    """The system of `local.yaml` with prices, and the handbook in it."""

    def set_prices(blocks):
        blocks["Gateway"]["user_config"]["observing"] = {"prices": PRICES}

    with short_folder() as folder:
        config = write_config("local.yaml", folder / "local.yaml", set_prices)
        system = System(config, folder, f"sqlite:///{folder}/corpus.db")
        system.start()
        load_handbook(system.openai)
        yield system
        system.stop()


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


def empty_panels(address, *, removed=""):
    """The titles of panels that show nothing, each query without what is removed from it."""
    return {
        panel.title
        for page in DASHBOARDS.values()
        for panel in page.panels
        if not all(values(address, one.replace(removed, "")) for one in panel.queries.values())
    }


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="apt-get install prometheus")
def test_no_panel_is_empty_after_a_load_nor_zero_for_want_of_its_metric(watched, tmp_path):
    with running(watched.folder, tmp_path, free_port()) as address:
        deadline = time.monotonic() + 240
        empty = {"all"}
        while empty and time.monotonic() < deadline:
            load(watched)  # rates need what grows between two scrapes
            time.sleep(5)
            empty = empty_panels(address, removed=ELSE_ZERO) - set(RECORDED_ELSEWHERE)
        assert empty == set()
        assert empty_panels(address) == set()


def test_every_panel_that_may_be_zero_has_a_test_that_records_its_metric():
    titles = {panel.title for page in DASHBOARDS.values() for panel in page.panels}
    assert set(RECORDED_ELSEWHERE) <= titles
    for place in RECORDED_ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / "tests" / path).read_text(), place


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
