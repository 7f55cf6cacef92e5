"""The steps from logits to a token: penalties, biases, masks, and what is told of them."""

import math

import pytest
import torch

from models.constraints import check_ids, check_sampling
from models.engines.adjusting import Adjustment, adjusted_scores
from models.engines.masks import pack
from models.engines.picking import Picking, picked_scores, row_of
from models.errors import InvalidInputError
from models.generation import EngineRequest, Sampling

LOGITS = torch.tensor([[2.0, -1.0, 0.5, 3.0, 0.0]] * 2)


def asked(ids=(0, 3), answer_start=1, mask=None, temperature=0.0, **sampling):
    return EngineRequest(
        prompt_ids=ids, answer_start=answer_start, max_tokens=9, temperature=temperature,
        top_p=1.0, top_k=0, seed=5, mask=mask, sampling=Sampling(**sampling),
    )  # fmt: skip


def scores_of(ids=(0, 3, 3, 4), answer_start=1, **sampling):
    adjustment = Adjustment.of(asked(ids, answer_start, **sampling), [4])
    return adjusted_scores(LOGITS, [1], [adjustment], [ids])[1].tolist()


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        # Prompt 0, answer 3 3 4: as vLLM's apply_penalties counts them.
        ({"frequency_penalty": 0.5}, [2.0, -1.0, 0.5, 2.0, -0.5]),
        ({"presence_penalty": 0.5}, [2.0, -1.0, 0.5, 2.5, -0.5]),
        ({"repetition_penalty": 2.0}, [1.0, -1.0, 0.5, 1.5, 0.0]),
        ({"logit_bias": ((1, 7.5), (3, -100.0))}, [2.0, 6.5, 0.5, -97.0, 0.0]),
        ({"min_tokens": 4}, [2.0, -1.0, 0.5, 3.0, -math.inf]),
        ({"min_tokens": 4, "stop_token_ids": (2,)}, [2.0, -1.0, -math.inf, 3.0, -math.inf]),
        ({"min_tokens": 3}, [2.0, -1.0, 0.5, 3.0, 0.0]),
    ],
)
def test_logits_are_changed_as_asked(sampling, expected):
    assert scores_of(**sampling) == pytest.approx(expected)


def test_an_answer_that_is_resumed_has_the_same_penalties():
    unbroken = scores_of(ids=(0, 3, 3, 4), frequency_penalty=1.0)
    delivered = Adjustment.of(asked((0, 3, 3), 1, frequency_penalty=1.0), [4])
    assert adjusted_scores(LOGITS, [1], [delivered], [[0, 3, 3, 4]])[1].tolist() == unbroken


def test_other_rows_stay_as_they_are_and_neutral_requests_say_nothing():
    adjustment = Adjustment.of(asked(presence_penalty=2.0), [4])
    assert adjusted_scores(LOGITS, [1], [adjustment], [[0, 3]])[0].tolist() == LOGITS[0].tolist()
    assert Picking.of(asked(), [4]) is None


def test_the_probability_that_is_told_is_the_models_own():
    class OnlyTwo:
        def allowed(self, answer_ids):
            return pack({2}, 5)

    picking = Picking.of(asked(mask=OnlyTwo(), top_logprobs=2, presence_penalty=1.0), [4])
    scores = picked_scores(LOGITS.clone(), [row_of(1, picking, [0, 3])])
    assert scores.argmax(-1).tolist() == [3, 2]
    (told,) = picking.told
    expected = torch.log_softmax(LOGITS[1], -1).tolist()
    assert (told.token_id, told.logprob) == (2, pytest.approx(expected[2]))
    assert told.top == ((3, pytest.approx(expected[3])), (0, pytest.approx(expected[0])))


def test_min_p_leaves_out_what_is_less_likely_than_its_share_of_the_best():
    share = math.exp(0.5 - 3.0)  # of token 2
    drawn = set()
    for position in range(400):
        request = asked(temperature=1.0, min_p=share * 0.99)
        row = row_of(0, Picking.of(request, [4]), [0] * (position + 1))
        drawn.add(int(picked_scores(LOGITS.clone(), [row])[0].argmax()))
    assert drawn == {0, 2, 3}


@pytest.mark.parametrize(
    ("sampling", "named"),
    [
        ({"min_p": 1.5}, "min_p must be in 0..1, got 1.5"),
        ({"presence_penalty": -3}, "presence_penalty must be in -2..2, got -3"),
        ({"frequency_penalty": float("nan")}, "frequency_penalty"),
        ({"repetition_penalty": 0.0}, "repetition_penalty"),
        ({"logit_bias": ((1, 101.0),)}, "logit_bias must be in -100..100, got 101.0 for id 1"),
        ({"logit_bias": ((1, 1.0),) * 1025}, "at most 1024 ids, got 1025"),
        ({"stop_token_ids": (1,) * 65}, "at most 64 ids, got 65"),
        ({"top_logprobs": 21}, "top_logprobs must be in 0..20, got 21"),
        ({"min_tokens": 9, "max_tokens": 8}, "min_tokens must be at most max_tokens, 8, got 9"),
        ({"seed": -(2**63) - 1}, "seed"),
    ],
)
def test_what_is_outside_its_limits_is_refused(sampling, named):
    with pytest.raises(InvalidInputError, match=named):
        check_sampling(Sampling(**sampling))


def test_ids_outside_the_vocabulary_are_refused():
    with pytest.raises(InvalidInputError, match=r"logit_bias must be in 0\.\.9, got 10"):
        check_ids("logit_bias", (3, 10), 10)
