"""What is computed of texts that come again; the rows themselves test_encoder.py compares."""

import numpy as np
import pytest

from models.encoders.late_states import LateStates

CLS, SEP, PAD, WIDTH = 1, 2, 0, 4
STATE_BYTES = 4 * WIDTH


class Model:
    """The state of a token is its id and its text's length; a row is the sum of a pair's states."""

    def __init__(self):
        self.computed = []

    def alone(self, input_ids, attention_mask):
        texts = [
            ids[:length].tolist()
            for ids, length in zip(input_ids, attention_mask.sum(1), strict=True)
        ]
        self.computed += texts
        states = np.zeros((*input_ids.shape, WIDTH), np.float32)
        states[..., 0] = input_ids
        states[..., 1] = attention_mask.sum(1)[:, None]
        return states

    def joined(self, input_ids, attention_mask, token_type_ids, hidden):
        assert not hidden[attention_mask == 0].any()
        assert (hidden[..., 0] == input_ids * attention_mask).all()
        return np.stack([hidden[..., 1].sum(1), token_type_ids.sum(1)], axis=1).astype(np.float32)


def pair(question, passage):
    ids = [CLS, *question, SEP, *passage, SEP]
    return ids, [0] * (len(question) + 2) + [1] * (len(passage) + 1)


@pytest.fixture
def model():
    return Model()


def test_each_text_is_computed_once_and_every_row_is_its_pairs(model):
    states = LateStates(model, pad_id=PAD, batch_size=2, pass_tokens=8, max_bytes=10**6)
    pairs = [pair([7], [9] * n) for n in (3, 1, 2)]
    # A question of 3 tokens and a passage of n + 2, whose [CLS] is not joined.
    expected = [[3 * 3 + (n + 1) * (n + 2), n + 1] for n in (3, 1, 2)]
    assert states.rows(pairs).tolist() == expected
    assert sorted(map(len, model.computed)) == [3, 3, 4, 5]
    model.computed.clear()
    assert states.rows([pairs[2], pair([7, 8], [9] * 3)]).shape == (2, 2)
    assert model.computed == [[CLS, 7, 8, SEP]]


def test_the_texts_used_longest_ago_make_room(model):
    one_pair = (3 + 4) * STATE_BYTES
    states = LateStates(
        model, pad_id=PAD, batch_size=8, pass_tokens=8, max_bytes=one_pair + 4 * STATE_BYTES
    )
    first, second, third = (pair([7], [token, token]) for token in (11, 12, 13))
    for one in (first, second, first, third):
        states.rows([one])
    model.computed.clear()
    states.rows([first])
    assert model.computed == []
    states.rows([second])
    assert model.computed == [[CLS, 12, 12, SEP]]


def test_without_room_nothing_is_kept_and_a_call_with_much_is_answered(model):
    states = LateStates(model, pad_id=PAD, batch_size=2, pass_tokens=8)
    pairs = [pair([7], [token]) for token in range(20, 30)]
    for _ in range(2):
        assert states.rows(pairs)[:, 0].tolist() == [3 * 3 + 2 * 3] * 10
    assert len(model.computed) == 2 * 11
