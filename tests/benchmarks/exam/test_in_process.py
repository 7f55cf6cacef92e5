"""The system in one process: real models and a real catalog behind HTTP, no Ray."""

import asyncio
from types import SimpleNamespace

import pytest
from openai import OpenAI

from benchmarks import answers
from benchmarks.answers import LOCAL, main
from benchmarks.exam.asking import ask, upload
from benchmarks.exam.in_process import Writer, served
from benchmarks.exam.questions import Question
from cluster.launch.render import read_values, render
from graphs.errors import ConfigError
from graphs.serve_config.reader import read_serve_config
from models.generation import GenerationRequest, Message
from models.generator import GeneratorConfig

VALUES = LOCAL.parent / "cluster" / "launch" / "values.yaml"


def test_a_question_is_answered_from_a_document_and_judged(tmp_path):
    file = tmp_path / "club.md"
    file.write_text("# Chess club\n\nThe club meets on Thursday in room 14.\n")
    question = Question(
        id="q", kind="single", half="dev", turns=("In which room does the chess club meet?",),
        documents=("club.md",), facts=(("room 14",),),
    )  # fmt: skip
    deployed = tmp_path / "serve.yaml"  # as a release has it
    deployed.write_text(render(read_values(VALUES) | {"serve_config": "local.yaml"})["serve.yaml"])
    assert read_serve_config(deployed).gateway.auth.keys
    with served(deployed) as base_url:  # where nobody else asks
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


def test_a_generator_that_answers_freely_is_not_examined_without_one():
    with pytest.raises(ConfigError, match="which no stand-in does: serve it"):
        main(["--in-process", "--config", str(LOCAL.parent / "cluster.yaml")])


@pytest.mark.parametrize(("least", "status"), [("0.5", 0), ("0.51", 1)])
def test_an_exam_fails_when_too_few_answers_are_right(monkeypatch, capsys, least, status):
    found = [SimpleNamespace(verdict=SimpleNamespace(right=right)) for right in (True, False)]
    monkeypatch.setattr(answers, "filled", lambda *_: [(None, [])])
    monkeypatch.setattr(answers, "_ask_all", lambda *_: found)
    monkeypatch.setattr(answers, "numbers", lambda _: {})
    assert main(["--half", "dev", "--least-right", least]) == status
    assert "1 of 2 are right" in capsys.readouterr().out


def test_the_writer_writes_nothing_of_its_own():
    writer = Writer(read_serve_config(LOCAL).settings("Generator", GeneratorConfig))
    request = GenerationRequest(request_id="r", messages=(Message(role="user", content="Hi"),))

    async def write():
        return [chunk async for chunk in writer.stream(request)]

    with pytest.raises(ValueError, match="answers: quote"):
        asyncio.run(write())
