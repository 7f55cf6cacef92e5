"""Thoughts of bounded length before an answer that is held to a constraint."""

import numpy as np
import pytest

from models.engines.masks import ChoicesMask, unpack
from models.engines.thinking_mask import HeadedMask, ThinkingMask
from models.errors import InvalidInputError

BEGIN, END, STOP, CALL, SIZE = 1, 2, 0, 3, 40
ALL = set(range(SIZE))


def mask(answer=None, *, is_begun=False, limit=3, call_id=None):
    return ThinkingMask(
        begin_id=BEGIN, end_id=END, is_begun=is_begun, limit=limit, stop_ids=frozenset({STOP}),
        answer=answer, vocabulary_size=SIZE, call_id=call_id,
    )  # fmt: skip


CHOICE = ChoicesMask(answers=((5, 6, STOP),), end_id=STOP, vocabulary_size=SIZE)
CALLED = ChoicesMask(answers=((CALL, 6, STOP),), end_id=STOP, vocabulary_size=SIZE)


def allowed(made, ids):
    return set(np.flatnonzero(unpack(made.allowed(ids), SIZE)).tolist())


@pytest.mark.parametrize(
    ("made", "ids", "may_come"),
    [
        (mask(is_begun=True), [], ALL - {STOP, BEGIN}),
        (mask(is_begun=True), [7, 8], ALL - {STOP, BEGIN}),
        (mask(is_begun=True), [7, 8, 9], {END}),
        (mask(is_begun=True), [7, END], ALL - {BEGIN}),
        (mask(is_begun=True, limit=0), [], {END}),
        (mask(), [], ALL),
        (mask(limit=0), [], ALL - {BEGIN}),
        (mask(), [BEGIN, 7, 8, 9], {END}),
        (mask(), [7], ALL - {BEGIN}),
        (mask(CHOICE), [], {5, BEGIN}),
        (mask(CHOICE), [5], {6}),
        (mask(CHOICE), [BEGIN, 7], ALL - {STOP, BEGIN}),
        (mask(CHOICE), [BEGIN, 7, END], {5}),
        (mask(CHOICE), [BEGIN, 7, END, 5, 6], {STOP}),
        (mask(CHOICE, is_begun=True), [END, 5], {6}),
        (mask(CALLED, is_begun=True, call_id=CALL), [7], ALL - {STOP, BEGIN}),
        (mask(CALLED, is_begun=True, call_id=CALL), [7, CALL], {6}),
        (mask(CALLED, is_begun=True, call_id=CALL), [7, CALL, 6], {STOP}),
        (mask(CALLED, is_begun=True, call_id=CALL), [7, END, CALL], {6}),
        (mask(CALLED, is_begun=True), [7, CALL], ALL - {STOP, BEGIN}),
    ],
)  # fmt: skip
def test_what_may_come_is_said_by_the_ids_alone(made, ids, may_come):
    assert allowed(made, ids) == may_come


def test_the_rest_and_faults_are_those_of_the_answer_behind_the_thoughts():
    made = mask(CHOICE)
    assert made.rest([]) is None
    assert made.rest([BEGIN, 7]) is None
    assert made.rest([BEGIN, 7, END]) == (5, 6)
    made.check([BEGIN, 9, 9])
    with pytest.raises(InvalidInputError, match="the beginning of no choice"):
        made.check([BEGIN, 9, END, 7])


def test_a_head_is_written_before_an_answer_that_is_held():
    made = HeadedMask(head=(8, 9), answer=CHOICE, vocabulary_size=SIZE)
    told = [allowed(made, ids) for ids in ([], [8], [8, 9], [8, 9, 5], [8, 9, 5, 6])]
    assert told == [{8}, {9}, {5}, {6}, {STOP}]
    assert [made.rest(ids) for ids in ([], [8], [8, 9, 5])] == [(8, 9, 5, 6), (9, 5, 6), (6,)]
    made.check([8])
    made.check([8, 9, 5])
    for ids in ([7], [8, 9, 7]):
        with pytest.raises(InvalidInputError, match="begin"):
            made.check(ids)
