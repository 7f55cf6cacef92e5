"""What `python -m cluster.calibrate` measures is what a server of known speed does."""

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from cluster.calibrate import Asked, NotMeasuredError, main, measure
from cluster.planning.calibration import read_calibration, write_calibration
from graphs.errors import ConfigError
from graphs.settings import ServedNames
from tests.graphs.serving import serving

LOCAL = Path(__file__).parents[2] / "local.yaml"
ASKED = Asked(names=ServedNames(), slots=4, candidates=5, answer_tokens=12)

EMBED_S, RERANK_S, STEP_S, MORE_S, PROMPT_S = 0.02, 0.06, 0.02, 0.02, 0.002
MOST = 10  # times longer, when the machine has other work


def server():
    """A server whose models take known times; more answers at once make each step longer."""
    app, running, reading = FastAPI(), [], asyncio.Lock()

    @app.get("/v1/models")
    async def models():
        return {}

    @app.post("/v1/embeddings")
    @app.post("/v1/moderations")
    async def embeddings():
        await asyncio.sleep(EMBED_S)
        return {}

    @app.post("/v1/rerank")
    async def rerank():
        await asyncio.sleep(RERANK_S)
        return {}

    @app.post("/v1/chat/completions")
    async def chat(request: Request):
        body = await request.json()
        words, num = len(body["messages"][0]["content"].split()), body["max_tokens"]
        running.append(1)
        async with reading:
            await asyncio.sleep(words * PROMPT_S)
        for _ in range(num):
            await asyncio.sleep(STEP_S + MORE_S * (len(running) - 1))
        running.pop()
        return {"usage": {"prompt_tokens": words, "completion_tokens": num}}

    return app


async def test_the_figures_are_those_of_the_server(tmp_path):
    async with serving(server()) as url, httpx.AsyncClient(base_url=url[:-3]) as client:
        found = await measure(client, ASKED)
    # Sleeps of a busy machine are longer than asked for, never shorter.
    assert EMBED_S * 0.9 < found.service_s["Embedder"] < EMBED_S * MOST
    assert RERANK_S * 0.9 < found.service_s["Reranker"] < RERANK_S * MOST
    assert STEP_S * 0.9 < found.step_s < STEP_S * MOST
    assert found.step_s_per_answer > 0
    assert 0 < found.prefill_tokens_per_s < 3 / PROMPT_S
    write_calibration(tmp_path / "new" / "kept.json", found)
    assert read_calibration(tmp_path / "new" / "kept.json") == found


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
            await measure(client, ASKED)


def test_what_is_not_measured_yet_names_the_whole_command(tmp_path):
    with pytest.raises(ConfigError, match=r"calibrate URL --config FILE` first"):
        read_calibration(tmp_path / "none.json")


def test_no_server_is_told(capsys, tmp_path):
    assert (
        main(["http://127.0.0.1:9", "--config", str(LOCAL), "--out", str(tmp_path / "x.json")]) == 1
    )
    assert "no answer: ConnectError" in capsys.readouterr().out
    assert not (tmp_path / "x.json").exists()
