"""The router learns from judged answers what is easy."""

import json

import numpy as np
import pytest

from graphs.router_weights import FEATURES, read_weights
from training.router import Lessons, main, read_lessons, table, train

PARTS = FEATURES.index("parts")


def lessons(count=200):
    """Questions that are easy where one thing is asked, mostly."""
    random = np.random.default_rng(0)
    features = random.normal(size=(count, len(FEATURES)))
    features[:, PARTS] = random.integers(1, 4, count)
    chance = np.where(features[:, PARTS] == 1, 0.95, 0.1)
    return Lessons(features, (random.random(count) < chance).astype(float))


def test_what_is_learnt_tells_easy_from_hard():
    weights = train(lessons())
    easy, hard = np.zeros(len(FEATURES)), np.zeros(len(FEATURES))
    easy[PARTS], hard[PARTS] = 1, 3
    assert weights.ease(easy.tolist()) > 0.75
    assert weights.ease(hard.tolist()) < 0.25


def test_the_weights_are_where_the_slope_is_flat():
    known = lessons()
    weights = train(known)
    inputs = (known.features - weights.means) / np.array(weights.scales)
    ease = [weights.ease(one) for one in known.features.tolist()]
    slope = inputs.T @ (np.array(ease) - known.as_good) + np.array(weights.weights)
    assert np.abs(slope).max() < 1e-6


@pytest.mark.parametrize("value", [7.0, 0.1])  # the mean of the latter is rounded
def test_a_feature_that_never_changes_weighs_nothing(value):
    known = lessons()
    known.features[:, 0] = value
    weights = train(known)
    assert weights.weights[0] == pytest.approx(0)
    assert weights.scales[0] == 1.0


def test_what_was_seen_is_kept_with_the_weights():
    known = lessons()
    weights = train(known)
    assert (weights.lows[PARTS], weights.highs[PARTS]) == (1, 3)
    assert all(weights.covers(one) for one in known.features.tolist())


def test_the_command_writes_what_the_server_reads(tmp_path, capsys):
    known = lessons()
    told = [
        {"id": str(number), "features": features, "as_good": bool(good)}
        for number, (features, good) in enumerate(
            zip(known.features.tolist(), known.as_good, strict=True)
        )
    ]
    judged, out = tmp_path / "judged.json", tmp_path / "router.json"
    judged.write_text(json.dumps(told))
    assert main([str(judged), "--out", str(out)]) == 0
    assert read_weights(out) == train(known)
    assert capsys.readouterr().out.strip() == table(known)


@pytest.mark.parametrize(
    ("told", "message"),
    [([], "got 0"), ([{"features": [1.0] * len(FEATURES), "as_good": True}] * 20, "20 of them")],
)
def test_lessons_that_teach_nothing_are_refused(tmp_path, told, message):
    path = tmp_path / "judged.json"
    path.write_text(json.dumps(told))
    with pytest.raises(ValueError, match=message):
        read_lessons(path)
