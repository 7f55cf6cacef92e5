"""What `python -m benchmarks.evaluate.planted` plants, asks and concludes."""

import pytest
import yaml

from benchmarks.evaluate import planted
from benchmarks.evaluate.planted import Run, judged, plants, turned_round, written_questions
from benchmarks.evaluate.sets import read_set
from deployments.state import models_folder
from models.bundled.prepare import prepare
from models.reranker import Reranker, RerankerConfig

QUESTION = "How large may a file be?"
PASSAGES = ("A file may have at most 32 megabytes.", "The library opens at nine.")


def run(version, status):
    return Run(version=version, status=status, lost=())


def test_the_gate_is_right_when_it_fails_both_plants_and_no_repeat():
    right = [run("unchanged", 0), run("unchanged", 0), run("low threshold", 1), run("worse", 1)]
    assert judged(right) == []
    assert judged([*right, run("unchanged", 1)]) == ["1 of 3 repeats failed"]
    assert judged([*right, run("other", 0)]) == ["other: the gate passed it"]


def test_each_plant_changes_one_deployment_of_the_shipped_config(tmp_path):
    shipped = (planted.ROOT / "local.yaml").read_text()
    for name, edit in plants(tmp_path).items():
        config = yaml.safe_load(shipped)
        edit(config)
        before = yaml.safe_load(shipped)["applications"][0]["deployments"]
        after = config["applications"][0]["deployments"]
        changed = [one for one, old in zip(after, before, strict=True) if one != old]
        assert len(changed) == 1, name
        old = next(one for one in before if one["name"] == changed[0]["name"])
        for setting, value in old["user_config"].items():
            if isinstance(value, dict):  # what stands beside the change is kept
                assert value.items() <= changed[0]["user_config"][setting].items()


def test_the_worse_reranker_prefers_what_does_not_answer(tmp_path):
    target = turned_round(tmp_path / "worse")
    scored = {
        model: Reranker(RerankerConfig(model=model), cache=tmp_path).rerank(QUESTION, PASSAGES)
        for model in (str(prepare("reranker", models_folder())), str(target))
    }
    assert [one.scores.argmax() for one in scored.values()] == [0, 1]


@pytest.mark.parametrize("limit", [None, 12])
def test_the_questions_are_those_of_the_exam_in_our_form(tmp_path, limit):
    found = read_set(written_questions(tmp_path / "questions.jsonl", limit)).questions
    assert len(found) == limit or (limit is None and len(found) > 50)
    assert {one.expects_answer for one in found} == {True, False}


@pytest.mark.parametrize("arguments", [["--repeats", "0"], ["--limit", "-1"]])
def test_wrong_arguments_are_refused_before_anything_starts(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        planted.main(arguments)
    assert ended.value.code == 2
    assert "must be at least 1" in capsys.readouterr().err
