"""Why an answer was what it was: the cause and how far the expected passage went."""

import asyncio
from dataclasses import replace

import pytest

from graphs import explain
from graphs.api.app import build_app
from graphs.config import GatewayConfig
from graphs.errors import OverloadedError
from graphs.findings import Scored
from graphs.observing.explaining import cause, lines
from graphs.observing.fate import fate_of
from graphs.observing.record import from_json, record_of, to_json, without_texts
from graphs.pipeline.trace import Trace
from tests.graphs.fake_stages import FakeStages, chat, hit, pipeline
from tests.graphs.serving import serving

QUOTED = {"answers": "quote", "retrieval": {"focus": "sentence", "condense": "join"}}


async def recorded(fake, **settings):
    traces = []
    try:
        rag = pipeline(fake, traces.append, **settings)
        wanted = GatewayConfig.model_validate(settings).retrieval
        async for _ in rag.answer(replace(chat("What is two?"), retrieval=wanted)):
            pass
    except OverloadedError:
        pass
    return from_json(to_json(record_of(traces[0])))


@pytest.mark.parametrize(
    ("fake", "words"),
    [
        (FakeStages(), "answered from 2.md"),
        (FakeStages(scores=(0.1, 0.3, 0.2)), "relevance 0.300, below the threshold 0.500"),
        (FakeStages(hits=()), "the search found no passage"),
        (FakeStages(harmful="two"), "flagged the question as hate"),
        (FakeStages(answer=("All. ", "poison", "x"), harmful="poison"), "the answer as hate"),
        (FakeStages(failing={"embed": OverloadedError("full")}), "error overloaded in stage embed"),
    ],
)
async def test_the_cause_is_told_in_one_sentence(fake, words):
    assert words in cause(await recorded(fake))


async def test_what_is_quoted_or_not_is_told_with_its_score_and_the_threshold():
    record = await recorded(FakeStages(scores=(0.1, 0.1, 0.1)), **QUOTED)
    assert record.outcome == "declined"
    assert "below the threshold 0.500" in cause(record)
    assert any(line.startswith("quote for") for line in lines(record))


def asked_for_a_fine():
    """A record of two documents of which the newer edition was quoted, as in a tram's fares."""
    trace = Trace("r", "chat")
    trace.outcome = "answered"
    hits = [
        replace(hit(number), filename=name, dense_rank=number)
        for number, name in enumerate(("fares-2024.md", "fares-2025.md"), start=1)
    ]
    trace.findings.note_search(["What is the fine?"], hits)
    units = [
        Scored(chunk_id=1, score=0.683, text="7 euros."),
        Scored(chunk_id=2, score=0.68, text="9"),
    ]
    trace.findings.note_part("What is the fine?", units, "9 euros.", 2)
    trace.findings.threshold = 0.5
    trace.findings.given = (2,)
    return trace


def test_the_newer_edition_that_was_quoted_is_told_as_such():
    record = record_of(asked_for_a_fine())
    assert "its sentence '9 euros.' was quoted" in fate_of(record, "fares-2025.md")
    told = fate_of(record, "fares-2024.md")
    assert "not quoted, since another edition says '9 euros.'" in told


def test_a_part_for_which_nothing_was_quoted_is_told_beside_the_answer():
    trace = asked_for_a_fine()
    weak = [Scored(chunk_id=1, score=0.488, text="The fee stays.")]
    trace.findings.note_part("What is the fee?", weak, "", None)
    trace.findings.note_part("And who pays it?", [], "", None)
    said = cause(record_of(trace))
    assert said.startswith("it was answered from fares-2025.md")
    assert "part 'What is the fee?': the best sentence 'The fee stays.' answers with 0.488" in said
    assert "part 'And who pays it?': no sentence of the best passages can answer" in said


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("2.md", ["place 2 of 3", "rerank: place 1 of 3 with 0.900", "; given to the generator"]),
        (
            "text OF 1.",
            ["place 1 of 3", "rerank: place 3 of 3", "not given to the generator, since 0.200 is "],
        ),
        ("9.md", ["'9.md' is not among the 3 passages"]),
    ],
)
async def test_how_far_the_expected_passage_went_is_told(expected, words):
    told = fate_of(await recorded(FakeStages()), expected)
    assert [one for one in words if one not in told] == []


def of_one_passage(text, *units):
    """A record in which sentences of a passage were compared, of which the last cannot answer."""
    trace = Trace("r", "chat")
    trace.findings.note_search(["When?"], [replace(hit(1), text=text, dense_rank=1)])
    compared = [Scored(chunk_id=1, score=0.5, text=one) for one in units]
    trace.findings.note_ranking("focus", "When?", compared)
    judged = [replace(one, score=0.9 - n / 10) for n, one in enumerate(compared[:-1])]
    trace.findings.note_part("When?", judged, units[0], 1)
    trace.findings.given = (1,)
    return record_of(trace)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("17:00", "its sentence 'It opens at 17:00.' was quoted"),
        ("closes", "not quoted, since 'It opens at 17:00.' fits better"),
        ("see below", "its sentence 'See below.' cannot answer this"),
        ("7:00", "'7:00' is not among the 1 passages"),
        ("open", "'open' is not among the 1 passages"),
        ("at 8. See", "none of the sentences that were compared has these words; its sentence"),
    ],
)
def test_words_are_followed_by_the_sentence_that_has_them(expected, words):
    units = ("It opens at 17:00.", "It closes at 8.", "See below.")
    assert words in fate_of(of_one_passage(" ".join(units), *units), expected)


def test_where_no_texts_are_kept_words_are_not_said_to_be_missing():
    record = of_one_passage("It opens at 17:00.", "It opens at 17:00.", "See below.")
    hidden = replace(record, findings=without_texts(record.findings))
    assert "no texts are kept (`observing.recent_texts`)" in fate_of(hidden, "17:00")
    assert "was quoted; given to the generator" in fate_of(hidden, "1.md")


async def test_the_way_is_told_with_both_ranks_tokens_and_replicas():
    hits = tuple(
        replace(one, dense_rank=n, lexical_rank=None) for n, one in enumerate(FakeStages().hits, 1)
    )
    told = "\n".join(lines(await recorded(FakeStages(hits=hits))))
    assert "2.md (passage 2; meaning 2. with 0.700, not by words)" in told
    assert "generate     7 tokens read, 3 written, moved 0 times" in told


@pytest.fixture
async def kept(api_services):
    traces = []
    async for _ in pipeline(FakeStages(), traces.append).answer(chat("What is two?")):
        pass
    api_services.recent.keep(traces[0])
    async with serving(build_app(api_services)) as base_url:
        yield base_url.removesuffix("/v1")


async def run(*arguments):
    return await asyncio.to_thread(explain.main, arguments)


async def test_the_command_explains_a_request_of_a_running_system(kept, capsys):
    assert await run("r", "--base-url", kept, "--expected", "2.md") == 0
    out = capsys.readouterr().out
    assert "r: it was answered from 2.md" in out
    assert "What is two?" not in out
    assert await run("r", "--base-url", kept, "--texts") == 0
    assert "What is two?" in capsys.readouterr().out


async def test_a_request_that_nobody_keeps_is_told_with_what_was_tried(kept, capsys):
    assert await run("other", "--base-url", kept, "--tries", "2") == 1
    assert "no Gateway keeps 'other' after 2 tries: no request 'other' among the last 256" in (
        capsys.readouterr().err
    )


async def test_a_server_that_does_not_answer_is_told(capsys):
    assert await run("r", "--base-url", "http://127.0.0.1:9") == 1
    assert "http://127.0.0.1:9 does not answer" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        explain.main(["r", "--tries", "0"])
    assert "--tries must be in 1..1000, got 0" in capsys.readouterr().err
