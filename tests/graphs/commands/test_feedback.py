"""Feedback leaves a running server as an evaluation set."""

import asyncio
import json

import pytest

from graphs.commands.feedback import main
from tests.graphs.serving import serving

SAID = [
    {"rating": "up", "question": "How large?", "answer": "32 MB [1]", "contexts": ["32 MB"]},
    {"rating": "down", "question": "Which port?", "answer": "80", "corrected_answer": "8000"},
    {"rating": "down", "question": "Who?", "answer": "Nobody", "comment": "wrong"},
    {"rating": "down"},
]


@pytest.fixture
async def base_url(api_app, api_http):
    for number in range(120):  # more than a page
        body = {"response_id": f"r{number}", "rating": "up", "question": f"Number {number}?"}
        await api_http.post("/v1/feedback", json=body)
    for number, said in enumerate(SAID):
        await api_http.post("/v1/feedback", json={"response_id": f"s{number}", **said})
    async with serving(api_app) as url:
        yield url


async def exported(tmp_path, *arguments):
    out = tmp_path / "set.jsonl"
    assert await asyncio.to_thread(main, ["export", *arguments, "--out", str(out)]) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


async def test_every_question_is_exported_with_what_should_have_been_answered(base_url, tmp_path):
    lines = await exported(tmp_path, "--base-url", base_url)
    assert len(lines) == 120 + 3  # what tells no question is of no use
    good, corrected, bad = lines[-3:]
    assert (good["user_input"], good["reference"]) == ("How large?", "32 MB [1]")
    assert good["retrieved_contexts"] == ["32 MB"]
    assert (corrected["response"], corrected["reference"]) == ("80", "8000")
    assert "reference" not in bad
    assert bad["metadata"]["comment"] == "wrong"
    down = await exported(tmp_path, "--base-url", base_url, "--rating", "down", "--with-reference")
    assert [one["user_input"] for one in down] == ["Which port?"]


async def test_a_server_that_is_not_there_or_refuses_is_told(base_url, tmp_path, capsys):
    gone = ["export", "--base-url", "http://127.0.0.1:9/v1"]
    assert await asyncio.to_thread(main, gone) == 1
    assert "no answer from http://127.0.0.1:9" in capsys.readouterr().err
    wrong = ["export", "--base-url", f"{base_url}/wrong"]
    assert await asyncio.to_thread(main, wrong) == 1
    assert "404" in capsys.readouterr().err
