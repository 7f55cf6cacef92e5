"""A running system that is watched: full panels, logs in JSON, answers that are explained."""

import json
import shutil
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from chaos import processes
from cluster.observe import prometheus
from cluster.observe.panel import ELSE_ZERO, WINDOW
from cluster.observe.panels import DASHBOARDS
from cluster.ports import free_port
from graphs.explain import fetched
from graphs.observing.explaining import cause
from tests.end_to_end.conftest import Cluster, System, ray_start, short_folder, write_config
from tests.end_to_end.seldom import answers
from tests.end_to_end.seldom.spot_node import watched_spot_node
from tests.handbook import load_handbook
from tests.ray_environment import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.systems]
QUESTIONS = ("How large may a file be?", "What is the capital of Peru?", "Hello")
HARMFUL = "I will kill you tonight, you worthless idiot."
PRICES = {"input": 0.15, "output": 0.6, "currency": "EUR"}  # the bundled generator has none
# What a load does not bring about: each is made to happen.
SELDOM = {
    "Failed": answers.ask_too_late,
    "Errors of stages": answers.ask_too_late,
    "Went on without a stage": answers.search_in_a_hurry,
    "Requests that gave their cache away": answers.write_too_many,
    # Quoted answers are written in one step, each after a prompt of its own.
    "One more token, p95": answers.write_too_many,
    "Prefix cache hits": answers.write_twice,
}
MOVED = {"Answers that moved": answers.move_an_answer}  # after them: the engine is another then
NOTICED = ("Spot notices", "Nodes that are drained", "From notice to drain, p95")
# What needs another machine or engine, with the test that shows whose metric it is.
RECORDED_ELSEWHERE = {
    "GPU memory": "cluster/observe/test_panels.py::"  # Ray tells it where there is a GPU
    "test_what_is_asked_of_ray_and_of_the_watcher_is_told_by_them",
    "Drafted tokens taken": "deployments/test_engine_metrics.py::"  # of vLLM, where it drafts
    "test_what_is_told_twice_is_one_metric_each",
}
# Not after 10 s: what is counted soon shows. Ray shows a gauge for two intervals after it was set.
OFTEN = {"RAY_metrics_report_interval_ms": "5000"}
LONG_S = 300  # in which a generator surely is replaced
SECRET = "zanzibarquux"  # what a user wrote must stand in no line


@pytest.fixture(scope="module")
def served():
    """The system of `local.yaml` with prices and a small cache, and the handbook in it."""

    def change(blocks):
        settings = blocks["Gateway"]["user_config"]
        settings["observing"] = {"prices": PRICES}
        settings |= {"failover": {"resume_s": LONG_S}, "timeouts": {"slot_s": LONG_S}}
        options = blocks["Generator"]["user_config"]["engine_options"]
        options["cache_tokens"] = answers.CACHE_TOKENS

    with short_folder() as folder:
        port, dashboard = free_port(), free_port()
        config = write_config("local.yaml", folder / "local.yaml", change)
        head = (f"--port={port}", f"--dashboard-port={dashboard}", "--num-cpus=4")
        try:
            ray_start(folder, "--head", *head, environment=OFTEN)
            address = f"127.0.0.1:{port}"
            system = System(config, folder, f"sqlite:///{folder}/corpus.db", address)
            system.start()
            load_handbook(system.openai)
            yield Cluster(system, address, f"http://127.0.0.1:{dashboard}", folder, config)
            system.stop()
        finally:
            own = processes.with_environment(f"RAY_TMPDIR={folder}")
            processes.kill([], also=own.union(*map(processes.descendants, own)))


@pytest.fixture
def watched(served):
    return served.system


def ask(system, question):
    messages = [{"role": "user", "content": question}]
    client = system.openai.chat.completions.with_raw_response
    return client.create(model="rag", messages=messages)


def load(system):
    """What makes every panel show something."""
    for question in (*QUESTIONS, HARMFUL, f"What is {SECRET}?"):
        ask(system, question)
    system.openai.vector_stores.search("handbook", query="size of a file")


def comes_true(condition, seconds):
    deadline = time.monotonic() + seconds
    while not (is_true := is_told(condition)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return is_true


def is_told(condition):
    """Whether it holds; where Prometheus does not answer in time, not yet."""
    with suppress(httpx.TransportError):
        return condition()
    return False


@contextmanager
def prometheus_of(system, folder):
    """Prometheus, once it answers queries; before that it refuses them in plain text."""
    with prometheus.running(system.folder, folder, free_port()) as address:
        assert comes_true(lambda: httpx.get(f"{address}/-/ready").status_code == 200, 120)
        yield address


def is_scraped(address, metric):
    return values(address, metric) != []


def values(address, query, **at):
    asked = query.replace(WINDOW, "1m").replace("$model", ".*").replace("$store", ".*")
    params = {"query": asked, **at}
    reply = httpx.get(f"{address}/api/v1/query", params=params, timeout=60).json()
    assert reply["status"] == "success", reply
    return [one["value"][1] for one in reply["data"]["result"] if one["value"][1] != "NaN"]


def empty_panels(address, *, removed="", **at):
    """The titles of panels that show nothing, each query without what is removed from it."""
    return {
        panel.title
        for page in DASHBOARDS.values()
        for panel in page.panels
        if not all(
            values(address, one.replace(removed, ""), **at) for one in panel.queries.values()
        )
    }


def panels_above_zero(address):
    """The titles of panels that show something, and not 0."""
    return {
        panel.title
        for page in DASHBOARDS.values()
        for panel in page.panels
        if all(
            any(float(one) > 0 for one in values(address, query))
            for query in panel.queries.values()
        )
    }


needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="apt-get install prometheus"
)


@needs_prometheus
def test_no_panel_is_empty_after_a_load_nor_zero_for_want_of_its_metric(watched, tmp_path):
    seldom = {*SELDOM, *MOVED, *NOTICED, *RECORDED_ELSEWHERE}
    with prometheus_of(watched, tmp_path) as address:
        deadline = time.monotonic() + 240
        empty = {"all"}
        while empty and time.monotonic() < deadline:
            load(watched)  # rates need what grows between two scrapes
            time.sleep(5)
            at = time.time()  # both of one instant: what is old may go at any
            with suppress(httpx.TransportError):  # not told yet
                empty = empty_panels(address, removed=ELSE_ZERO, time=at) - seldom
        assert empty == set()
        assert empty_panels(address, time=at) == set()


def test_every_panel_that_may_be_zero_has_a_test_that_records_its_metric():
    titles = {panel.title for page in DASHBOARDS.values() for panel in page.panels}
    assert {*SELDOM, *MOVED, *NOTICED, *RECORDED_ELSEWHERE} <= titles
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


def answer_freely(served):
    """From now on the generator writes its own words, as that of `cluster.yaml` does."""

    def change(blocks):
        blocks["Gateway"]["user_config"]["answers"] = "free"

    served.deploy(change)
    written = partial(answers.write, served.system, max_tokens=2)
    assert comes_true(lambda: written().usage.completion_tokens, 120)


def are_counted(address, titles):
    return not titles & empty_panels(address, removed=ELSE_ZERO)


def are_shown(address, titles):
    return titles <= panels_above_zero(address)


def bring_about(ways, system, address):
    """Does what makes panels show something, by their titles, until each is above 0."""
    left, deadline = set(ways), time.monotonic() + 180
    while left and time.monotonic() < deadline:
        # A rate is above 0 once what was there at a scrape has grown.
        are_there = is_told(partial(are_counted, address, left))
        told = are_shown if are_there else are_counted
        for way in dict.fromkeys(way for title, way in ways.items() if title in left):
            way(system)
        comes_true(partial(told, address, left), 20)
        with suppress(httpx.TransportError):  # not told yet
            left -= panels_above_zero(address)
    assert left == set()


@needs_prometheus
def test_what_seldom_happens_shows_in_its_panel(served, tmp_path, monkeypatch):
    answer_freely(served)
    port = free_port()  # another system on this machine may have the usual one
    monkeypatch.setattr(prometheus, "_SPOT", f"127.0.0.1:{port}")
    with (
        prometheus_of(served, tmp_path) as address,
        watched_spot_node(served, port) as spot_node,
    ):
        assert comes_true(lambda: is_scraped(address, "spot_node_draining"), 60)
        noticed = dict.fromkeys(NOTICED, lambda _: spot_node.give_notice())
        bring_about(noticed | SELDOM, served.system, address)
        bring_about(MOVED, served.system, address)
