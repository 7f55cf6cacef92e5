"""Drafts come from the documents of a real API; what models do wrong in them is sorted out."""

import asyncio
import json
import re

import pytest

from benchmarks.evaluate.sets import read_set
from graphs.commands.drafting import SourcePassage, UselessDraftError, checked, chosen
from graphs.commands.drafts import main
from graphs.pipeline.events import Finished, Retrieved, TextDelta, Usage
from graphs.pipeline.prompt import QUOTES_ONLY
from models.errors import InvalidInputError
from tests.graphs.serving import serving

PASSAGE = SourcePassage(
    document="pump.md", text="The pump of the north basin takes 40 watts and is serviced each May."
)


def written(question="How much does the pump take?", answer="40 watts"):
    return json.dumps({"question": question, "answer": answer})


@pytest.mark.parametrize(
    "text",
    [
        written(),
        f"```json\n{written()}\n```",
        f"Here it is: {written()} I hope it helps.",
        written(answer="40  Watts."),
    ],
    ids=["plain", "fenced", "talking", "blanks"],
)
def test_a_draft_is_read_however_the_model_wraps_it(text):
    draft = checked(text, PASSAGE, [])
    assert draft.question == "How much does the pump take?"
    assert draft.answer.lower() == "40 watts"
    assert draft.line(3)["documents"] == ["pump.md"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("I cannot do that.", "no JSON"),
        ('{"question": "How much?"}', "no JSON"),
        ('{"question": 7, "answer": "40 watts"}', "no JSON"),
        ('{"question": "How much\\ud800?", "answer": "40 watts"}', "no JSON"),
        ("{" + '"a":[' * 100_000 + "}", "no JSON"),
        (written("The pump takes 40 watts."), "no question"),
        (written("What does the passage say about pumps?"), "about the passage itself"),
        (written("According to the given text, what does it take?"), "about the passage itself"),
        (written(answer="50 watts"), "does not stand in the passage"),
        (written(answer="0 watts"), "does not stand in the passage"),
        (written(answer=""), "does not stand in the passage"),
        (written("Does the pump take 40 watts?"), "gives its answer away"),
        (written("How much does the pump really take?"), "asked already"),
    ],
)
def test_what_models_do_wrong_is_told_by_its_kind(text, why):
    first = checked(written("What does the pump take?"), PASSAGE, [])
    known = [first, checked(written("How much does the pump take really?"), PASSAGE, [])]
    with pytest.raises(UselessDraftError, match=why):
        checked(text, PASSAGE, known if why == "asked already" else [])


CHINESE = SourcePassage(
    document="泵.md", text="北池的水泵功率为四十瓦。每年五月检修一次。由王先生负责。"
)
ARABIC = SourcePassage(
    document="a.md",
    text="تستهلك مضخة الحوض الشمالي أربعين واطا وتتم صيانتها في شهر مايو من كل عام.",
)


@pytest.mark.parametrize(
    ("passage", "question", "answer"),
    [
        (CHINESE, "北池的水泵功率是多少\uff1f", "四十瓦"),
        (CHINESE, "水泵由谁负责\uff1f", "王先生。"),
        (ARABIC, "كم تستهلك مضخة الحوض الشمالي؟", "أربعين واطا"),
    ],
)
def test_other_scripts_are_read_as_well(passage, question, answer):
    assert list(chosen([passage], seed=1)) == [passage]
    assert checked(written(question, answer), passage, []).question == question


def test_an_answer_in_chinese_has_a_limit():
    long = SourcePassage(document="l.md", text="水泵" + "很长的答案" * 20)
    with pytest.raises(UselessDraftError, match="too long"):
        checked(written("水泵的说明是什么\uff1f", "很长的答案" * 20), long, [])


def test_documents_are_asked_about_in_turn_and_alike_each_time():
    long = [SourcePassage(document="long.md", text=f"Line {n} " + "word " * 12) for n in range(20)]
    short = [SourcePassage(document=f"{n}.md", text="word " * 12) for n in range(3)]
    title = SourcePassage(document="title.md", text="A title alone")
    order = list(chosen([*long, *short, title], seed=1))
    assert {one.document for one in order[:4]} == {"long.md", "0.md", "1.md", "2.md"}
    assert len(order) == 23
    assert order == list(chosen([*long, *short, title], seed=1))
    assert order != list(chosen([*long, *short, title], seed=2))


class Writer:
    """A generator in the place of the pipeline: it asks for the watts that it reads of."""

    reply = None
    failing: frozenset[str] = frozenset()

    async def answer(self, request):
        if any(f"The {name} takes" in request.messages[-1].text for name in self.failing):
            raise InvalidInputError("no such words")
        read = re.search(r"The (\w+) takes (\d+ watts)", request.messages[-1].text)
        text = self.reply or written(f"How much does the {read[1]} take?", read[2])
        yield Retrieved(passages=(), search_query=None, timings=())
        yield TextDelta(text=text)
        yield Finished(
            finish_reason="stop", usage=Usage(num_prompt_tokens=9, num_completion_tokens=9)
        )


@pytest.fixture
async def drafted(api_app, api_config, api_http, api_ingest, api_pipeline, tmp_path):
    """Runs the command against an API with three documents; gives its status and the drafts."""
    for number, name in enumerate(("pump", "valve", "boiler"), start=1):
        text = f"The {name} takes {11 * number} watts when it runs, as its label tells everybody."
        upload = {"file": (f"{name}.md", text.encode(), "text/markdown")}
        file = await api_http.post("/v1/files", data={"purpose": "assistants"}, files=upload)
        ids = [file.json()["id"]]
        if number == 1:
            store = await api_http.post("/v1/vector_stores", json={"name": "s", "file_ids": ids})
        else:
            route = f"/v1/vector_stores/{store.json()['id']}/files"
            await api_http.post(route, json={"file_id": ids[0]})
    api_ingest()
    writer = Writer()
    api_pipeline.answer = writer.answer

    async def run(*arguments, reply=None, failing=()):
        writer.reply, writer.failing = reply, frozenset(failing)
        out = tmp_path / "drafts.jsonl"
        async with serving(api_app) as url:
            model = ["--writer-model", api_config.served_names.generator]
            command = ["--store", "s", "--base-url", url, "--out", str(out), *model, *arguments]
            return await asyncio.to_thread(main, command), out

    return run


async def test_the_drafts_of_a_store_are_a_set_that_the_evaluation_reads(drafted):
    status, out = await drafted("--questions", "3")
    assert status == 0
    found = {one.text: one for one in read_set(out).questions}
    assert len(found) == 3
    valve = found["How much does the valve take?"]
    assert (valve.documents, valve.facts) == ({"valve.md": 1}, (("22 watts",),))
    assert valve.expects_answer


async def test_fewer_than_asked_for_are_written_and_told(drafted, capsys):
    status, out = await drafted("--questions", "5", reply="Sorry, no.")
    assert (status, out.read_text()) == (1, "")
    assert "3 were of no use: no JSON with question and answer" in capsys.readouterr().err


async def test_a_writer_that_fails_three_times_is_given_up_and_its_drafts_are_kept(drafted, capsys):
    status, out = await drafted("--questions", "3", failing=["valve", "pump", "boiler"])
    assert status == 2
    assert "0 are in" in capsys.readouterr().err.replace("\n", " ")
    assert out.read_text() == ""


async def test_a_call_that_fails_costs_its_passage_alone(drafted, capsys):
    status, out = await drafted("--questions", "3", failing=["valve"])
    assert status == 1
    assert len(out.read_text().splitlines()) == 2
    assert "1 were of no use: the writer failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reply", "told"),
    [
        ([], QUOTES_ONLY, "only quotes; name a server that writes: --writer-url"),
        (["--store", "none"], None, "has no vector store 'none'"),
        (["--writer-url", "http://127.0.0.1:9/v1"], None, "writes no drafts"),
        (["--base-url", "http://127.0.0.1:9/v1"], None, "does not answer"),
    ],
    ids=["quotes", "store", "writer", "server"],
)
async def test_who_cannot_write_drafts_is_told(drafted, capsys, arguments, reply, told):
    status, _ = await drafted(*arguments, reply=reply)
    assert status == 2
    assert told in capsys.readouterr().err.replace("\n", " ")
