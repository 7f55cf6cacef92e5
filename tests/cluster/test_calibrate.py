"""What `python -m cluster.calibrate` measures is what a server of known speed does."""

import asyncio
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from cluster.calibrate import main
from cluster.planning.calibration import read_calibration, write_calibration
from cluster.planning.measuring import Asked, NotMeasuredError, covered_ms, measure
from graphs.errors import ConfigError
from graphs.settings import ServedNames
from tests.graphs.serving import serving

LOCAL = Path(__file__).parents[2] / "local.yaml"
STEP_S, MORE_S, PROMPT_S = 0.02, 0.02, 0.002
SPENT_MS = {
    "check_question": 15, "embed": 20, "meaning": 10, "retrieve": 5, "rerank": 100, "focus": 50,
    "judge": 25, "generate": 7, "check_answer": 17,
}  # fmt: skip
PASSAGES = ("A file may have at most 32 megabytes.", "The port is 8000.")
WRITES = Asked(
    names=ServedNames(), writes=True, slots=4, answer_tokens=12, store="hand book/1?",
    questions=("Why?", "When?", "Where?"),
)  # fmt: skip
QUOTES = replace(WRITES, writes=False, questions=())


def server(passages=PASSAGES):
    """A server whose models take known times; more answers at once make each step longer."""
    app, running, reading = FastAPI(), [], asyncio.Lock()
    app.state.asked = []
    app.state.spans = [
        {"stage": name, "latency_ms": spent, "start_ms": 1000 * index}
        for index, (name, spent) in enumerate(SPENT_MS.items())
    ]

    @app.get("/v1/models")
    async def models():
        served = {"id": ServedNames().embedder, "served": {"load_s": 1.5}}
        return {"data": [{"id": "rag"}, served, {"id": ServedNames().safety}]}

    @app.get("/v1/vector_stores")
    async def stores(after: str = ""):
        one, other = {"id": "vs_1", "name": "other"}, {"id": "vs_2", "name": "hand book/1?"}
        return {"data": [other if after else one], "has_more": not after, "last_id": "vs_1"}

    @app.post("/v1/vector_stores/vs_2/search")
    async def search():
        return {"data": [{"content": [{"type": "text", "text": text}]} for text in passages]}

    @app.post("/v1/chat/completions")
    async def chat(request: Request):
        body = await request.json()
        if body["model"] == "rag":
            app.state.asked.append(body["messages"][-1]["content"])
            return {"rag": {"spans": app.state.spans, "generated": [{"prompt_tokens": 31}]}}
        words, num = len(body["messages"][0]["content"].split()), body["max_tokens"]
        running.append(1)
        async with reading:
            await asyncio.sleep(words * PROMPT_S)
        for _ in range(num):
            await asyncio.sleep(STEP_S + MORE_S * (len(running) - 1))
        running.pop()
        return {"usage": {"prompt_tokens": words, "completion_tokens": num}}

    return app


class Timed(httpx.AsyncClient):
    """Notes how long the generator's answers took, by the words of the prompt and of the answer.

    On a busy machine that is more than the server's sleeps, and more for some answers than others.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.took = defaultdict(list)

    async def post(self, url, *, json, **options):
        start = time.perf_counter()
        reply = await super().post(url, json=json, **options)
        took_s = time.perf_counter() - start
        if json["model"] == WRITES.names.generator:
            words = len(json["messages"][0]["content"].split())
            self.took[words, json["max_tokens"]].append(took_s)
            assert took_s > 0.99 * (words * PROMPT_S + json["max_tokens"] * STEP_S)
        return reply


async def test_the_figures_are_those_of_the_server(tmp_path):
    async with serving(server()) as url, Timed(base_url=url[:-3]) as client:
        found = await measure(client, WRITES)
    each = {"Embedder": (0.03,) * 3, "Retriever": (0.005,) * 3, "Reranker": (0.175,) * 3}
    assert found.calibration.work_s == {**each, "SafetyFilter": (0.015, 0.017) * 3}
    assert found.prompt_tokens == 31
    num, few = WRITES.answer_tokens, min(words for words, _ in client.took)
    many = max(words for words, _ in client.took)
    # The first one warms up.
    short_s, longer_s = min(client.took[few, num][1:4]), min(client.took[few, 3 * num])
    read_s = min(client.took[many, num])
    writing = found.calibration.writing
    assert writing.step_s == pytest.approx((longer_s - short_s) / (2 * num), rel=0.05)
    assert writing.prefill_tokens_per_s == pytest.approx(
        (many - few) / (read_s - short_s), rel=0.05
    )
    assert writing.step_s_per_answer > 0
    assert found.calibration.load_s == {"Embedder": 1.5}
    write_calibration(tmp_path / "new" / "kept.json", found.calibration)
    assert read_calibration(tmp_path / "new" / "kept.json") == found.calibration


async def test_a_generator_that_only_quotes_is_one_more_queue(tmp_path):
    app = server()
    async with serving(app) as url, httpx.AsyncClient(base_url=url[:-3]) as client:
        found = await measure(client, QUOTES)
    assert found.calibration.writing is None
    assert found.calibration.work_s["Generator"] == (0.007, 0.007)
    first, *asked = app.state.asked  # the first one warms up
    assert asked[0] == first == "What is said about: A file may have at most 32 megabytes.?"
    assert "The port is 8000." in asked[1]


async def test_a_store_without_passages_asks_for_questions():
    async with serving(server(())) as url, httpx.AsyncClient(base_url=url[:-3]) as client:
        with pytest.raises(
            NotMeasuredError, match=r"'hand book/1\?' has no passage: give --questions"
        ):
            await measure(client, QUOTES)
        with pytest.raises(NotMeasuredError, match="give --questions, or --store"):
            await measure(client, replace(QUOTES, store=None))


async def test_a_question_that_was_answered_without_a_stage_is_no_measure_of_it():
    app = server()
    app.state.spans[4]["error"] = "TimeoutError"
    async with serving(app) as url, httpx.AsyncClient(base_url=url[:-3]) as client:
        with pytest.raises(NotMeasuredError, match="'Why\\?' was answered without rerank"):
            await measure(client, WRITES)


async def test_a_model_that_no_question_reached_is_named():
    app = server()
    app.state.spans = [one for one in app.state.spans if one["stage"] != "generate"]
    async with serving(app) as url, httpx.AsyncClient(base_url=url[:-3]) as client:
        with pytest.raises(NotMeasuredError, match="no question reached Generator"):
            await measure(client, QUOTES)


async def test_a_store_that_is_not_there_is_told():
    async with serving(server()) as url, httpx.AsyncClient(base_url=url[:-3]) as client:
        with pytest.raises(NotMeasuredError, match="no store 'x'"):
            await measure(client, replace(QUOTES, store="x"))


def test_parts_that_are_worked_on_at_once_count_once():
    spans = [(0, 100), (10, 200), (300, 50), (310, 20)]
    assert covered_ms([{"start_ms": at, "latency_ms": ms} for at, ms in spans]) == 260


async def test_what_is_no_json_is_told():
    app = FastAPI()

    @app.get("/v1/models")
    async def models():
        return Response("<html>a proxy</html>")

    async with serving(app) as url, httpx.AsyncClient(base_url=url[:-3]) as client:
        with pytest.raises(NotMeasuredError, match="/v1/models: no JSON: <html>a proxy"):
            await measure(client, WRITES)


@pytest.mark.parametrize("text", ["{}", '{"service_s": {}, "slots": 1}', "[]", "no json"])
def test_what_another_version_measured_names_the_command(tmp_path, text):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"is not what this version measures; run `python -m"):
        read_calibration(path)


def test_a_file_without_questions_is_told(tmp_path, capsys):
    path = tmp_path / "questions.txt"
    path.write_text("\n \n")
    arguments = ["http://127.0.0.1:9", "--config", str(LOCAL), "--questions", str(path)]
    assert main(arguments) == 1
    assert "no question stands in it" in capsys.readouterr().out


async def test_the_key_is_that_of_the_other_programs(monkeypatch, tmp_path):
    app, sent = server(), []

    @app.middleware("http")
    async def keep(request, call_next):
        sent.append(request.headers.get("authorization"))
        return JSONResponse({}, status_code=401)

    monkeypatch.setenv("OPENAI_API_KEY", "rf-1")
    async with serving(app) as url:
        arguments = [url, "--config", str(LOCAL), "--out", str(tmp_path / "x.json")]
        assert await asyncio.to_thread(main, arguments) == 1
    assert sent == ["Bearer rf-1"]


async def test_a_server_that_refuses_is_told():
    app = FastAPI()

    @app.get("/v1/models")
    async def models():
        return JSONResponse({"error": "no key"}, status_code=401)

    async with serving(app) as url, httpx.AsyncClient(base_url=url[:-3]) as client:
        with pytest.raises(NotMeasuredError, match=r"/v1/models: status 401: .*no key"):
            await measure(client, WRITES)


def test_what_is_not_measured_yet_names_the_whole_command(tmp_path):
    with pytest.raises(ConfigError, match=r"calibrate URL --config FILE` first"):
        read_calibration(tmp_path / "none.json")


def test_no_server_is_told(capsys, tmp_path):
    assert (
        main(["http://127.0.0.1:9", "--config", str(LOCAL), "--out", str(tmp_path / "x.json")]) == 1
    )
    assert "no answer: ConnectError" in capsys.readouterr().out
    assert not (tmp_path / "x.json").exists()
