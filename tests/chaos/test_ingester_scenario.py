"""Which questions of `ingester-kill` count, and whom they ask."""

import json

import pytest

from chaos.load import Load, Outcome, chat_calls
from chaos.scenarios.ingester_scenario import Absences, questions


def test_an_absence_lasts_from_the_kill_to_the_last_look_that_found_none():
    absences = Absences()
    absences.seen_gone(0.5)  # before any kill, another process may answer
    absences.appeared(killed_s=1.0)
    absences.seen_gone(1.2)
    absences.seen_gone(3.0)
    absences.appeared(killed_s=3.4)  # it came up at any time after the look at 3.0
    absences.seen_gone(5.0)
    assert absences.spans == [(1.0, 3.0), (3.4, 5.0)]
    assert [absences.hold(at_s) for at_s in (0.9, 1.0, 2.9, 3.2, 3.4, 5.1)] == [
        False, True, True, False, True, False,
    ]  # fmt: skip


def test_two_kills_without_a_look_between_them_leave_no_absence():
    absences = Absences()
    absences.appeared(killed_s=1.0)
    absences.appeared(killed_s=2.0)
    absences.seen_gone(2.5)
    assert absences.spans == [(2.0, 2.5)]


def test_half_of_the_questions_name_their_store_whether_greedy_or_sampled():
    calls = questions(chat_calls(seed=1, count=40, rate=5, max_tokens=3, model="rag"), "books")
    asked = [(call.body["model"], call.body["temperature"]) for call in calls]
    kinds = [(model, temperature) for model in ("rag", "rag:books") for temperature in (0, 1)]
    assert [asked.count(kind) for kind in kinds] == [10] * 4


@pytest.mark.parametrize("num_sources", [0, 2])
def test_the_load_counts_the_passages_of_an_answer(num_sources):
    context = {"citations": [{"content": "The port is 8000."}] * num_sources}
    chunk = {"choices": [{"delta": {"content": "", "context": context}, "finish_reason": None}]}
    outcome = Outcome(key="a", sent_s=0.0)
    Load("http://127.0.0.1:1")._take(f"data: {json.dumps(chunk)}", outcome)
    assert outcome.num_sources == num_sources
