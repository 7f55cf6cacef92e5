"""The system in one process: real models and a real catalog behind HTTP, no Ray."""

import asyncio

import pytest
from openai import OpenAI

from benchmarks.answers import LOCAL, main
from benchmarks.exam.asking import ask, upload
from benchmarks.exam.in_process import Writer, served
from benchmarks.exam.questions import Question
from graphs.errors import ConfigError
from graphs.serve_config.reader import read_serve_config
from models.generation import GenerationRequest, Message
from models.generator import GeneratorConfig


def test_a_question_is_answered_from_a_document_and_judged(tmp_path):
    file = tmp_path / "club.md"
    file.write_text("# Chess club\n\nThe club meets on Thursday in room 14.\n")
    question = Question(
        id="q", kind="single", half="dev", turns=("In which room does the chess club meet?",),
        documents=("club.md",), facts=(("room 14",),),
    )  # fmt: skip
    with served(LOCAL) as base_url:
        client = OpenAI(base_url=base_url, api_key="none")
        transcript = ask(client, upload(client, [file]), question)
    assert transcript.verdict.right, transcript
    assert transcript.found
    assert transcript.cited == ("club.md",)


def test_a_config_with_a_fault_is_refused_before_anything_starts(tmp_path):
    config = tmp_path / "wrong.yaml"
    config.write_text(LOCAL.read_text().replace("top_k: 6", "top_j: 6"))
    with pytest.raises(ConfigError, match="top_j"):
        main(["--in-process", "--config", str(config)])


def test_the_writer_writes_nothing_of_its_own():
    writer = Writer(read_serve_config(LOCAL).settings("Generator", GeneratorConfig))
    request = GenerationRequest(request_id="r", messages=(Message(role="user", content="Hi"),))

    async def write():
        return [chunk async for chunk in writer.stream(request)]

    with pytest.raises(ValueError, match="answers: quote"):
        asyncio.run(write())
