"""The gate: a planted regression fails, and none passes in twenty repeats with their own noise."""

import numpy as np
import pytest

from benchmarks.evaluate.gate import Limits, differences, failures, interval, means, shown
from benchmarks.evaluate.measures import Found, Prices, Reply, measured
from benchmarks.evaluate.sets import Question

NUM = 120
QUALITY = ("recall", "ndcg", "mrr", "facts", "cited_precision", "cited_recall", "declined_rightly")
DROPS = Limits(least={}, drops=dict.fromkeys(QUALITY, 0.01))
HARD = np.random.default_rng(7).uniform(0.3, 1.0, NUM)  # what a question's chance to be right is


def version(seed, loss=0.0, only=QUALITY):
    """Scores of a version that is right by chance, anew each time, as a sampling one is."""
    rng = np.random.default_rng(seed)
    return {
        f"q{number}": {
            name: float(rng.random() < max(0.0, chance - (loss if name in only else 0.0)))
            for name in QUALITY
        }
        for number, chance in enumerate(HARD)
    }


def test_no_regression_passes_in_twenty_repeats():
    told = [failures(version(100 + n), version(n), DROPS) for n in range(20)]
    assert [one for one in told if one] == []


@pytest.mark.parametrize("only", [QUALITY, ("declined_rightly",), ("ndcg",)])
def test_a_planted_regression_fails_in_each_of_twenty_repeats(only):
    told = [failures(version(100 + n, 0.3, only), version(n), DROPS) for n in range(20)]
    assert all(any(one.startswith(only[0]) for one in failed) for failed in told)


def test_the_least_and_the_most_are_kept_or_told():
    scores = {"q": {"facts": 0.5, "answered_in_s": 2.0}}
    limits = Limits(least={"facts": 0.6, "answered_in_s": 1.0, "mrr": 0.5}, drops={})
    assert failures(scores, None, limits) == [
        "facts: 0.500 is below 0.600",
        "answered_in_s: 2.000 is above 1.000",
        "mrr: of no question is it known",
    ]
    assert failures(scores, None, Limits(least={"facts": 0.5, "answered_in_s": 2}, drops={})) == []


def test_a_slower_version_has_lost():
    before = {f"q{n}": {"answered_in_s": 1.0} for n in range(9)}
    after = {f"q{n}": {"answered_in_s": 1.5 + n / 100} for n in range(9)}
    assert differences(before, after)["answered_in_s"].high < -0.4
    assert failures(after, before, Limits(least={}, drops={"answered_in_s": 0.3})) != []


def test_only_questions_of_both_versions_are_compared():
    gained = differences({"a": {"facts": 0.0}}, {"a": {"facts": 1.0}, "b": {"facts": 0.0}})
    assert (gained["facts"].mean, gained["facts"].num_questions) == (1.0, 1)


def test_a_measure_that_no_question_of_both_versions_has_fails_its_limit():
    limits = Limits(least={}, drops={"facts": 0.5})
    told = ["facts: of no question is it known of both versions"]
    assert failures({"a": {"facts": 1.0}}, {"b": {"facts": 1.0}}, limits) == told
    assert failures({"a": {"facts": 1.0}}, {"a": {"facts": 1.0}}, limits) == []


@pytest.mark.parametrize("expects_answer", [True, False])
def test_an_error_is_neither_an_answer_nor_a_decline_and_took_no_time(expects_answer):
    question = Question(id="q", text="?", expects_answer=expects_answer)
    refused = Reply(
        answer="", cited=(), passages=(), found=(), latency_s=0.01, request_id="", error="503"
    )
    kind = "answered" if expects_answer else "declined"
    assert measured(question, refused) == {"declined_rightly": 0.0, kind: 0.0, "replied": 0.0}


def test_an_interval_holds_its_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = [
        one.low <= 0.5 <= one.high
        for n in range(200)
        for one in [interval((rng.random(60) < 0.5).astype(float).tolist(), seed=n)]
    ]
    assert 0.88 <= np.mean(held) <= 0.99


QUESTION = Question(
    id="q", text="How many?", documents={"a.md": 2, "b.md": 1}, facts=(("8",), ("9",))
)


def reply(answer="8 [1]", cited=("a.md",), found=("c.md", "a.md", "a.md"), **more):
    passages = tuple(Found(name=name, text="t") for name in found)
    return Reply(
        answer=answer, cited=cited, passages=(), found=passages, latency_s=0.1, request_id="r",
        **more,
    )  # fmt: skip


def test_measures_of_one_question():
    values = measured(QUESTION, reply())
    assert values["recall"] == 0.5
    assert values["mrr"] == 0.5
    assert values["ndcg"] == pytest.approx((2 / np.log2(3)) / (2 + 1 / np.log2(3)))
    assert (values["facts"], values["cited_precision"], values["cited_recall"]) == (0.5, 1.0, 0.5)
    assert values["declined_rightly"] == 1.0


def test_what_an_answer_took_is_measured_and_costs_where_prices_are_known():
    took = reply(num_prompt_tokens=3000, num_completion_tokens=500)
    assert measured(QUESTION, took)["tokens"] == 3500
    assert "cost" not in measured(QUESTION, took)
    priced = measured(QUESTION, took, Prices(input=0.15, output=0.6))
    assert priced["cost"] == pytest.approx(0.00075)
    assert "tokens" not in measured(QUESTION, reply(answer="", error="HTTP 503"))


def test_a_dearer_version_has_lost_and_small_sums_are_shown():
    before = {f"q{n}": {"cost": 0.001, "tokens": 300.0} for n in range(9)}
    after = {f"q{n}": {"cost": 0.002, "tokens": 600.0} for n in range(9)}
    told = failures(after, before, Limits(least={}, drops={"cost": 0.0005, "tokens": 10}))
    assert told[0] == "cost: lost 0.001 (0.001 to 0.001), more than 0.0005"
    assert told[1].startswith("tokens: lost 300.000")
    assert [shown(one) for one in (0, 0.5, 0.000123)] == ["0.000", "0.500", "0.000123"]
    assert shown(0.000123, "+") == "+0.000123"


def test_a_question_without_answer_is_right_when_declined():
    nothing = Question(id="q", text="?", expects_answer=False)
    assert measured(nothing, reply("I don't know.", (), ()))["declined_rightly"] == 1.0
    assert measured(nothing, reply("It is 8."))["declined_rightly"] == 0.0
    assert measured(nothing, reply("It is 8."))["declined"] == 0.0
    assert measured(QUESTION, reply("It is 8."))["answered"] == 1.0
    assert measured(QUESTION, reply("I don't know.", ()))["declined_rightly"] == 0.0


def test_documents_are_known_by_name_or_by_its_stem_and_the_question_itself_counts_not():
    found = Question(id="q", text="?", documents={"d1": 1}, ignored=frozenset({"q"}))
    assert measured(found, reply(found=("q", "d1.txt")))["mrr"] == 1.0


def test_contexts_are_known_by_their_words():
    question = Question(
        id="q", text="?", contexts=("The pump runs at eight bar.",), reference="eight"
    )
    hits = (
        Found(name="x", text="Other."),
        Found(name="y", text="So the pump runs at eight bar, too."),
    )
    told = Reply(answer="At eight.", cited=(), passages=(), found=hits, latency_s=0, request_id="r")
    values = measured(question, told)
    assert (values["mrr"], values["recall"], values["reference"]) == (0.5, 1.0, 1.0)


def test_means_stand_in_the_order_of_reports():
    assert list(means({"q": {"facts": 1.0, "recall": 0.5}})) == ["recall", "facts"]
