"""What is easy: by the rule, and by what was learnt; what is in the way of either."""

import json
from dataclasses import replace

import pytest

from graphs.choosing.asked import Asked, asked_of
from graphs.choosing.router import BUNDLED, RuleRouter, router_of
from graphs.errors import ConfigError
from graphs.pipeline.events import ChatRequest, Message, Passage
from graphs.router_weights import FEATURES, Weights, read_weights
from graphs.settings import RoutingSettings
from models.constraints import Choices

EASY = Asked(
    question_words=5, parts=1, wants_list=0, is_yes_no=0, names_identifier=0, turns=1, passages=1,
    passage_chars=300, best_score=0.99, margin=0.99, documents=1,
)  # fmt: skip


def passage(number, score, text="Port 8000."):
    return Passage(
        number=number, chunk_id=str(number), file_id=f"f{number % 2}", filename="a.md", title="A",
        text=text, excerpt=text, char_start=0, char_end=9, score=score, attributes={},
    )  # fmt: skip


def question(*turns, **fields):
    roles = ["user", "assistant"] * len(turns)
    messages = tuple(Message(role=r, content=t) for r, t in zip(roles, turns, strict=False))
    return ChatRequest(request_id="r", messages=messages, **fields)


def test_a_question_is_measured_with_its_passages():
    passages = [passage(1, 0.75), passage(2, 0.5), passage(3, 0.25)]
    found = asked_of(question("Hi?", "Yes.", "Which port has model AB-1234?"), passages)
    assert (found.question_words, found.turns, found.names_identifier) == (5, 2, 1)
    assert (found.passages, found.passage_chars, found.documents) == (3, 30, 2)
    assert (found.best_score, found.margin) == (0.75, 0.25)
    assert not found.is_formed
    assert len(found.numbers()) == len(FEATURES)


def test_two_things_that_are_asked_are_two_parts():
    both = asked_of(question("Which port is used and how long is a key valid?"), ())
    assert (both.parts, both.best_score, both.margin) == (2, 0, 0)


@pytest.mark.parametrize(
    "fields",
    [{"constraint": Choices(texts=("a",))}, {"retrieves": False}, {"effort": "high"},
     {"adapter": "law"}],
    ids=lambda fields: next(iter(fields)),
)  # fmt: skip
@pytest.mark.parametrize("router", ["rule", "trained"])
def test_what_is_more_than_a_question_is_hard(fields, router):
    asked = asked_of(question("Which port?", **fields), [passage(1, 0.99)])
    made = router_of(RoutingSettings(router=router, min_ease=0.0))
    assert asked.is_formed
    assert not made.is_easy(asked)
    known = replace(asked, is_formed=False, passage_chars=100)
    assert made.is_easy(known)
    assert not made.is_easy(replace(known, is_reranked=False))


@pytest.mark.parametrize(
    "harder",
    [{"question_words": 21}, {"parts": 2}, {"passages": 5}, {"passage_chars": 4001},
     {"best_score": 0.49}],
    ids=lambda harder: next(iter(harder)),
)  # fmt: skip
def test_the_rule_bounds_each_feature(harder):
    router = RuleRouter(RoutingSettings(router="rule"))
    assert router.is_easy(EASY)
    assert not router.is_easy(replace(EASY, **harder))


def test_without_a_setting_there_is_no_router():
    assert router_of(RoutingSettings()) is None


def weights(**fields):
    zeros = dict.fromkeys(("means", "weights", "lows"), (0.0,) * len(FEATURES))
    ones, highs = [(one,) * len(FEATURES) for one in (1.0, 1e3)]
    fixed = {"features": FEATURES, "scales": ones, "highs": highs, "bias": 0.0}
    return Weights(**fixed | zeros | fields)


def test_the_trained_one_weighs_features_in_their_units(tmp_path):
    path = tmp_path / "router.json"
    by = tuple(-2.0 if name == "parts" else 0.0 for name in FEATURES)
    path.write_text(weights(weights=by, means=(1.0,) * len(FEATURES), bias=2.0).written())
    assert read_weights(path).ease(EASY.numbers()) == pytest.approx(0.880797)  # sigmoid of 2
    router = router_of(RoutingSettings(router="trained", weights=str(path), min_ease=0.8))
    assert router.is_easy(EASY)
    assert not router.is_easy(replace(EASY, parts=2))


def test_extreme_features_give_no_overflow():
    far = [1e308] * len(FEATURES)
    assert weights(weights=(-1e3,) * len(FEATURES)).ease(far) == pytest.approx(0.0)


@pytest.mark.parametrize(
    "harder", [{"question_words": 300}, {"best_score": 0.0}, {"margin": 1.5}, {"turns": 9}], ids=str
)
def test_what_the_bundled_weights_never_saw_is_hard(harder):
    router = router_of(RoutingSettings(router="trained", min_ease=0.0))
    assert router.is_easy(EASY)
    assert not router.is_easy(replace(EASY, **harder))


def test_the_bundled_weights_are_of_these_features():
    assert read_weights(BUNDLED).features == FEATURES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "none of a router"),
        ("[1, 2]", "none of a router"),
        (json.dumps({"features": ["words"]}), "none of a router"),
        (weights().written().replace('"parts"', '"pages"'), "features must be"),
        (weights().written().replace('"scales": [\n  1.0', '"scales": [\n  0.0'), "above 0"),
        (weights().written().replace('"bias": 0.0', '"bias": "much"'), "bias"),
        (weights().written().replace('"means": [\n  0.0,', '"means": ['), "11 numbers each"),
    ],
    ids=["empty", "a list", "too little", "other features", "no scale", "no number", "a gap"],
)
def test_other_files_are_refused_by_name(tmp_path, text, message):
    path = tmp_path / "router.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as refused:
        router_of(RoutingSettings(router="trained", weights=str(path)))
    assert "router.json" in str(refused.value)


def test_weights_that_are_not_there_are_told():
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        router_of(RoutingSettings(router="trained", weights="/nowhere/router.json"))
