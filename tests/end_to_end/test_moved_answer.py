"""An answer whose replica is killed: it moves while it is read on the page, and in one trace."""

import os
import signal
import time

import httpx
import pytest
import yaml
from openai import OpenAI

from chaos.fleet import SIMULATED, Fleet
from chaos.served_config import merged
from tests.browser import needs_chromium, opened, screenshot_path, view, violations
from tests.end_to_end.span_collector import collecting
from tests.ray_environment import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.systems]

QUESTION = "May a file have 32 megabytes?"
TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OTHER_ID = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
MODELS = {"Embedder", "Retriever", "Reranker", "SafetyFilter", "Generator"}
ONE = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
TWO = {"autoscaling_config": {"min_replicas": 2, "max_replicas": 2}}
# One replica of all, so that the killed one is the one that writes.
CHANGES = {
    **dict.fromkeys((*MODELS, "Gateway"), ONE),
    "Generator": {**ONE, "user_config": {"max_answer_tokens": 60, "tokens_per_s": 6}},
}
TRACING = {
    "enabled": True,
    "exporter_import_path": "deployments.observing.spans:exporters",
    "sampling_ratio": 0.0,  # of those whose client has not decided
}


@pytest.fixture(scope="module")
def collector():
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def fleet(collector, tmp_path_factory):
    """Simulated models that are traced, with one document."""
    config = yaml.safe_load(SIMULATED.read_text()) | {"tracing_config": TRACING}
    path = tmp_path_factory.mktemp("traced") / "traced.yaml"
    path.write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "500")
        with Fleet(num_spot=0, config=path, changes=CHANGES) as made:
            client = client_of(made)
            store = client.vector_stores.create(name="documents")
            with (ROOT / "examples" / "handbook" / "documents.md").open("rb") as file:
                client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=file)
            yield made


def client_of(fleet):
    return OpenAI(base_url=f"{fleet.url}/v1", api_key="none", timeout=60, max_retries=0)


def only_replica(fleet):
    """The only replica of the Generator, once it runs and nothing is asked of it.

    It is looked for before an answer begins: a slow look would come after the end of that.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = httpx.get(f"{fleet.url}/admin/v1/system", timeout=30).json()
        (generator,) = (one for one in state["deployments"] if one["name"] == "Generator")
        is_idle = (generator["working"], generator["waiting"], state["alarms"]) == (0, 0, [])
        if is_idle and [one["state"] for one in generator["replicas"]] == ["RUNNING"]:
            return generator["replicas"][0]
        time.sleep(0.3)
    raise AssertionError((generator, state["alarms"]))


@needs_chromium
def test_an_answer_whose_replica_is_killed_moves_while_it_is_read(fleet, browser, tmp_path):
    page, watch = opened(browser, fleet.url)
    watching, watched = opened(browser, fleet.url)
    view(watching, "System")
    watching.locator(".deployment", has_text="Generator").get_by_text("running").wait_for()
    lost = only_replica(fleet)
    page.get_by_role("textbox", name="Question").fill(QUESTION)
    page.keyboard.press("Enter")
    page.locator(".text p:not(.muted)").wait_for()
    # It hangs first: where another one starts at once, no pause would be long enough to be told.
    os.kill(lost["pid"], signal.SIGSTOP)
    page.locator(".note", has_text="The answer pauses.").wait_for()
    os.kill(lost["pid"], signal.SIGKILL)
    page.locator(".note", has_text="moved to another replica").wait_for()
    watching.locator(".changes li", has_text=f"replica {lost['id']}").first.wait_for()
    watching.locator(".changes li", has_text="Alarm is over: Generator (page).").wait_for()
    told = watching.locator(".changes .moved", has_text="went on at another replica")
    told.wait_for()
    assert page.locator("article[aria-busy]").count() == 1  # it is told while the answer goes on
    assert violations(page) == []
    assert "(replica lost), request " in told.inner_text()
    assert violations(watching) == []
    page.screenshot(path=screenshot_path(tmp_path, "moved.png"))
    page.locator(".tools").wait_for()
    assert violations(page) == []
    watching.screenshot(path=screenshot_path(tmp_path, "changes.png"), full_page=True)
    assert (watch.faults, watched.faults) == ([], [])


def test_one_trace_goes_from_the_client_to_every_model_though_the_answer_moved(fleet, collector):
    lost = only_replica(fleet)
    stream = client_of(fleet).chat.completions.create(
        model="rag", messages=[{"role": "user", "content": QUESTION}], stream=True,
        max_tokens=24, extra_headers=SAMPLED, extra_body={"rag": {"debug": True}},
    )  # fmt: skip
    is_killed, told = False, []
    for chunk in stream:
        if not is_killed and chunk.choices and chunk.choices[0].delta.content:
            os.kill(lost["pid"], signal.SIGKILL)
            is_killed = True
        told += [chunk.model_extra["rag"]] if chunk.model_extra.get("rag") else []
    assert [one["num_migrations"] for one in told] == [1, 1]  # as it moved, and at the end
    spans = whole(collector)
    assert reached(spans) == MODELS
    for span in spans.values():  # one tree, whose root is the client's span
        parent = span.parent_span_id
        assert parent in spans or parent.hex() == PARENT_ID, span.name
    attempts = [one for one in spans.values() if one.name == "generate.attempt"]
    lost, *waits, last = sorted(attempts, key=lambda one: one.start_time_unix_nano)
    assert lost.status.message == "replica_lost"
    assert all(one.status.message for one in waits)  # asked while the replica was replaced
    assert last.status.message == ""
    (writing,) = (one for one in spans.values() if replica_of(one) == "Generator")
    assert last.span_id in ancestors(writing, spans)  # that of the killed one died with it
    assert {one.trace_id.hex() for one in collector.spans} == {TRACE_ID}, "no other was sampled"


def whole(collector):
    """The trace, once its last spans have come."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        spans = collector.of(TRACE_ID)
        missing = {one.parent_span_id for one in spans.values()} - {
            *spans,
            bytes.fromhex(PARENT_ID),
        }
        if reached(spans) == MODELS and not missing:
            break
        time.sleep(0.2)
    return spans


def replica_of(span):
    """The deployment whose replica made a span; empty: none of the models."""
    words = span.name.split()
    return words[1] if words[0] == "replica_handle_request" and words[1] in MODELS else ""


def reached(spans):
    return {replica_of(span) for span in spans.values()} - {""}


def ancestors(span, spans):
    while span.parent_span_id in spans:
        span = spans[span.parent_span_id]
        yield span.span_id


def test_texts_stand_in_spans_only_once_the_settings_ask_for_them(fleet, collector):
    assert collector.spans
    assert "megabytes" not in str(collector.spans)
    texts = {"Gateway": {"user_config": {"observing": {"span_texts": ["*"]}}}}
    fleet.edit(merged(CHANGES, texts))
    reply = client_of(fleet).chat.completions.create(
        model="rag", messages=[{"role": "user", "content": QUESTION}], max_tokens=8,
        extra_headers={"traceparent": f"00-{OTHER_ID}-{PARENT_ID}-01"},
    )  # fmt: skip
    deadline = time.monotonic() + 30
    told = {}
    while not told and time.monotonic() < deadline:
        time.sleep(0.2)
        roots = [one for one in collector.of(OTHER_ID).values() if one.name == "rag.chat"]
        told = {one.key: one.value.string_value for root in roots for one in root.attributes}
    assert QUESTION in told["gen_ai.input.messages"]
    assert "32 megabytes" in told["gen_ai.retrieval.documents"]
    assert reply.choices[0].message.content in told["gen_ai.output.messages"]


def test_a_config_is_compared_with_the_one_that_runs(fleet):
    served = (fleet.folder / "served.yaml").read_text()
    more = served.replace("max_answer_tokens: 60", "max_answer_tokens: 61")
    assert planned(fleet, served) == {"object": "plan", "faults": [], "changes": []}
    (change,) = planned(fleet, more)["changes"]
    assert (change["where"], change["key"], change["effect"]) == (
        "Generator", "user_config.max_answer_tokens", "in place",
    )  # fmt: skip


def planned(fleet, config):
    url = f"{fleet.url}/admin/v1/system/plan"
    return httpx.post(url, json={"config": config}, timeout=60).raise_for_status().json()


def told_of_all(fleet):
    """Asks some Gateway: which one it is, and the requests of all answers and moves it tells."""
    with httpx.Client(timeout=30) as client:  # each over its own connection
        state = client.get(f"{fleet.url}/admin/v1/system").raise_for_status().json()
    answers, moves = ({one["request_id"] for one in state[name]} for name in ("answers", "moves"))
    return state["gateway"], answers, moves


def test_a_gateway_tells_the_answers_and_moves_of_the_others(fleet):
    first, answers, moved = told_of_all(fleet)
    assert len(moved) == 2
    assert moved <= answers
    fleet.deploy(merged(CHANGES, {"Gateway": TWO}))
    deadline = time.monotonic() + 90
    told = (first, set(), set())
    # The new one has answered nothing; at first it may not know of the other yet.
    while (told[0] == first or not told[2]) and time.monotonic() < deadline:
        told = told_of_all(fleet)
        time.sleep(0.3)
    assert told[0] != first
    assert told[1:] == (answers, moved)
