"""The whole command against the real API and pipeline, over HTTP; only the models are simple."""

import asyncio
import json
import re

import numpy as np
import pytest

from benchmarks.evaluate.__main__ import main
from graphs.api.app import build_app
from graphs.api.services import Services
from graphs.config import GatewayConfig
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from models.reranker import RerankScores
from tests.graphs.fake_stages import FakeStages, hit
from tests.graphs.serving import serving

NAMES = ("pump", "valve", "boiler", "kettle", "lamp", "fan", "drill", "saw", "mixer", "toaster")
ABSENT = ("rocket", "piano", "submarine", "violin", "glider", "tractor", "compass", "sextant")


class Words(FakeStages):
    """Scores by shared words; `scoring` makes that worse. It writes what the passage says."""

    def __init__(self, scoring=lambda score: score, pieces=lambda text: (text,)):
        super().__init__(context_tokens=4000)
        self.scoring, self.pieces = scoring, pieces
        self.hits = tuple(self._hit(number, name) for number, name in enumerate(NAMES, start=1))

    @staticmethod
    def _hit(number, name):
        text = f"The {name} takes {number * 11} watts."
        return type(hit(1))(
            **{**vars(hit(number)), "filename": f"{name}.md", "title": name, "text": text}
        )

    async def rerank(self, query, documents):
        words = set(re.findall(r"\w+", query.lower())) & {*NAMES, *ABSENT}
        shares = [0.95 if words & set(re.findall(r"\w+", d.lower())) else 0.1 for d in documents]
        return RerankScores(
            scores=np.asarray([self.scoring(s) for s in shares], np.float32), num_tokens=1
        )

    async def stream(self, request):
        told = re.search(r"The \w+ takes \d+ watts\.", request.messages[-1].content)
        self.answer = self.pieces(f"{told[0]} [1]")
        async for chunk in super().stream(request):
            yield chunk


def app_of(stages, **retrieval):
    config = GatewayConfig.model_validate({"retrieval": {"condense": "off", **retrieval}})
    rag = RagPipeline(
        config,
        Stages(
            embedder=stages, retriever=stages, reranker=stages, judge=stages, safety=stages,
            generator=stages,
        ),
    )  # fmt: skip
    return build_app(
        Services(
            config=config, pipeline=rag, embedder=stages, reranker=stages, safety=stages,
            retriever=stages, corpus=None,
        )
    )  # fmt: skip


@pytest.fixture
def questions(tmp_path):
    rows = [
        {"id": n, "question": f"How much does the {n} take?", "documents": [f"{n}.md"],
         "facts": [[f"{place * 11} watts"]]}
        for place, n in enumerate(NAMES, start=1)
    ]  # fmt: skip
    rows += [
        {"id": n, "question": f"How much does the {n} take?", "expect": "decline"} for n in ABSENT
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


async def evaluated(app, questions, *arguments):
    async with serving(app) as base_url:
        command = [
            "--store",
            "s",
            "--questions",
            str(questions),
            "--base-url",
            base_url,
            *arguments,
        ]
        return await asyncio.to_thread(main, command)


DROPS = [x for name in ("facts", "ndcg", "declined") for x in ("--drop", f"{name}=0.01")]


async def test_a_good_system_is_measured_as_such_and_reports_are_written(tmp_path, questions):
    out, html = tmp_path / "r.json", tmp_path / "r.html"
    least = ["--least", "facts=0.99", "--least", "declined_rightly=0.99", "--least", "mrr=0.99"]
    written = ["--out", str(out), "--html", str(html)]
    assert await evaluated(app_of(Words()), questions, *least, *written) == 0
    report = json.loads(out.read_text())
    measures = {name: one["mean"] for name, one in report["means"].items()}
    assert measures.pop("answered_in_s") > 0
    assert measures.pop("tokens") > 0
    assert measures == dict.fromkeys(measures, 1.0)  # no cost, since nobody said a price
    assert report["questions"]["pump"]["reply"]["request_id"]
    page = html.read_text()
    assert "Every limit is kept." in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("worse", "lost"),
    [
        (lambda: app_of(Words(scoring=lambda score: 1 - score)), "facts"),  # a worse reranker
        (lambda: app_of(Words(), rerank_threshold=0.05), "declined"),  # a lower threshold
    ],
)
async def test_a_planted_regression_fails_and_none_passes(tmp_path, questions, capsys, worse, lost):
    out = tmp_path / "before.json"
    assert await evaluated(app_of(Words()), questions, "--no-grounding", "--out", str(out)) == 0
    against = ["--no-grounding", "--baseline", str(out), *DROPS]
    assert await evaluated(app_of(Words()), questions, *against) == 0
    assert await evaluated(worse(), questions, *against) == 1
    assert f"fails: {lost}: lost" in capsys.readouterr().out


async def test_a_baseline_of_other_questions_is_no_baseline(tmp_path, questions, capsys):
    """An id may be no more than the number of a line."""
    out, others = tmp_path / "before.json", tmp_path / "others.jsonl"
    rows = [{"question": f"What weighs the {n}?", "facts": [["much"]]} for n in NAMES]
    others.write_text("".join(json.dumps(row) + "\n" for row in rows))
    mine = [json.loads(line) for line in questions.read_text().splitlines()]
    questions.write_text("".join(json.dumps(row | {"id": ""}) + "\n" for row in mine))
    assert await evaluated(app_of(Words()), others, "--no-grounding", "--out", str(out)) == 0
    against = ["--no-grounding", "--baseline", str(out), "--drop", "facts=0.9"]
    assert await evaluated(app_of(Words()), questions, *against) == 1
    told = capsys.readouterr().out
    assert f"note: {len(mine)} questions are not in before.json" in told
    assert "fails: facts: of no question is it known of both versions" in told


async def test_a_version_whose_answers_are_dearer_fails_at_the_prices_of_today(
    tmp_path, questions, capsys
):
    out = tmp_path / "before.json"
    before = ["--price-input", "1", "--out", str(out)]
    assert await evaluated(app_of(Words()), questions, "--no-grounding", *before) == 0
    limits = ["--baseline", str(out), "--drop", "cost=0.000001"]
    against = ["--no-grounding", *limits, "--price-input", "0.5", "--price-output", "10"]
    assert await evaluated(app_of(Words()), questions, *against) == 0
    wordy = app_of(Words(pieces=tuple))  # a token a letter
    assert await evaluated(wordy, questions, *against) == 1
    assert "fails: cost: lost 0.000" in capsys.readouterr().out


async def test_two_systems_are_asked_side_by_side(tmp_path, questions, capsys):
    out, html = tmp_path / "r.json", tmp_path / "r.html"
    async with serving(app_of(Words(scoring=lambda score: 1 - score))) as before:
        arguments = ["--no-grounding", "--against", before, *DROPS]
        arguments += ["--out", str(out), "--html", str(html)]
        assert await evaluated(app_of(Words()), questions, *arguments) == 0
    report = json.loads(out.read_text())
    was, now, gain = (report[one]["facts"] for one in ("before", "means", "gained"))
    assert was["mean"] < now["mean"]
    assert gain["mean"] == pytest.approx(now["mean"] - was["mean"])
    shown = f"{was['mean']:.3f}"
    assert shown in capsys.readouterr().out
    assert f"<td class=n>{shown}" in html.read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--drop", "facts=0.1"], "--drop needs a version before"),
        (["--least", "beauty=1"], "no measure 'beauty'; there are recall"),
        (["--least", "facts=much"], "needs MEASURE=NUMBER, got 'facts=much'"),
        (["--limit", "0"], "--limit must be at least 1, got 0"),
        (["--against", "u", "--baseline", "f"], "give one"),
        (["--least", "cost=0.01"], "a limit of cost needs --price-input or --price-output"),
        (["--price-input", "-1"], "must be at least 0"),
    ],
)
def test_wrong_arguments_are_told(questions, capsys, arguments, told):
    with pytest.raises(SystemExit) as ended:
        main(["--store", "s", "--questions", str(questions), *arguments])
    assert ended.value.code == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_no_set_no_report_and_no_system_are_told(tmp_path, questions, capsys):
    head = ["--store", "s", "--base-url", "http://127.0.0.1:9/v1", "--questions"]
    assert main([*head, str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl cannot be read" in capsys.readouterr().out
    assert main([*head, str(questions)]) == 2
    assert "http://127.0.0.1:9/v1/ does not answer" in capsys.readouterr().out
    assert main([*head, str(questions), "--baseline", str(questions)]) == 2
    assert "is no report of --out" in capsys.readouterr().out
