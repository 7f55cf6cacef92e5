"""What the exam's questions promise: each can be answered from the documents that it names."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from benchmarks.exam.documents import document_name, source_files
from benchmarks.exam.judge import judge, states
from benchmarks.exam.questions import EXAM, FIRST_KINDS, HALVES, KINDS, read_questions
from index.parsing.parse import EXTENSIONS

QUESTIONS = read_questions()
NEW = [question for question in QUESTIONS if question.kind not in FIRST_KINDS]
ASKED = [question for question in NEW if question.expect == "answer"]


@cache
def texts():
    return {document_name(path): _text(path) for path in source_files()}


def _text(path):
    text = path.read_text(encoding="utf-8")
    return text.replace(",", ", ") if path.suffix == ".csv" else text  # 7,9 are two cells


def test_ids_and_conversations_are_there_once():
    assert len({question.id for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question.turns for question in QUESTIONS}) == len(QUESTIONS)


def test_each_half_has_at_least_twelve_questions_of_each_new_kind():
    counts = Counter((question.half, question.kind) for question in NEW)
    kinds = [kind for kind in KINDS if kind not in FIRST_KINDS]
    assert {key for key, count in counts.items() if count >= 12} == {
        (half, kind) for half in HALVES for kind in kinds
    }


def test_the_halves_are_equally_large():
    counts = Counter((question.kind, question.half) for question in QUESTIONS)
    assert all(abs(counts[kind, "dev"] - counts[kind, "test"]) <= 1 for kind in KINDS)


def test_the_halves_ask_about_documents_of_their_own():
    folders = {document_name(path): path.parent.name for path in source_files()}
    for question in NEW:
        named = {*question.documents, *question.also}
        assert {folders[name] for name in named} <= {question.half}, question.id


def test_every_document_is_asked_for_and_each_half_has_all_families_of_formats():
    asked = {name for question in QUESTIONS for name in question.documents}
    assert asked == set(texts())
    families = {".md", ".txt", ".html", ".pdf", ".docx", ".pptx", ".xlsx", ".csv", ".json"}
    for half in HALVES:
        suffixes = {
            Path(name).suffix
            for question in NEW
            for name in question.documents
            if question.half == half
        }
        assert families | {".jsonl", ".eml"} <= suffixes
        assert suffixes <= EXTENSIONS | {".eml"}


@pytest.mark.parametrize("question", ASKED, ids=lambda question: question.id)
def test_every_fact_stands_in_a_document_and_every_document_has_one(question):
    sources = [texts()[name] for name in question.documents]
    assert question.facts
    assert all(any(states(text, fact) for text in sources) for fact in question.facts)
    assert all(any(states(text, fact) for fact in question.facts) for text in sources)


@pytest.mark.parametrize("question", ASKED, ids=lambda question: question.id)
def test_the_listed_facts_alone_are_a_right_answer(question):
    answer = ". ".join(fact[0] for fact in question.facts)
    assert judge(question, answer, question.documents).right


def test_a_question_does_not_hold_its_own_answer():
    for question in ASKED:
        if question.kind != "yes_no":
            told = [fact for fact in question.facts if states(question.turns[-1], fact)]
            assert not told, question.id


def test_what_is_wrong_stands_in_a_document_unless_it_is_a_verdict():
    for question in NEW:
        for wrong in question.wrong:
            named = wrong in {"yes", "no"} or any(
                states(text, [wrong]) for text in texts().values()
            )
            assert named, (question.id, wrong)


def test_a_sentence_or_row_that_answers_is_wrong_only_without_a_label():
    for question in ASKED:
        for sentence in re.split(r"(?<=[.!?]) |\n", texts()[question.documents[0]]):
            whole = all(states(sentence, fact) for fact in question.facts)
            if whole and states(sentence, question.wrong):
                by_number = question.kind == "identifier"  # it may be the row of another number
                assert question.labels or by_number, (question.id, sentence)


def test_near_misses_are_about_what_a_document_speaks_of():
    misses = [question for question in NEW if question.kind == "near_miss"]
    assert {question.expect for question in misses} == {"decline"}
    assert {question.expect for question in NEW if question.kind != "near_miss"} <= {
        "answer",
        "chat",
    }


def test_follow_ups_have_a_turn_before():
    assert {len(question.turns) > 1 for question in NEW if question.kind == "follow_up"} == {True}
    assert {len(question.turns) for question in NEW if question.kind != "follow_up"} == {1}


@pytest.mark.parametrize(("half", "fewest"), [("tuning", 150), ("fresh", 110)])
def test_sets_with_documents_of_their_own_hold_every_fact(half, fewest):
    sources = {document_name(path): _text(path) for path in source_files(EXAM / half)}
    questions = read_questions([half])
    assert not set(sources) & set(texts())
    assert len(questions) >= fewest
    assert len({question.id for question in questions}) == len(questions)
    assert {name for one in questions for name in (*one.documents, *one.also)} == set(sources)
    for question in questions:
        named = [sources[name] for name in question.documents]
        missing = [fact for fact in question.facts if not any(states(text, fact) for text in named)]
        assert not missing, (question.id, missing)
        assert (question.expect == "answer") == bool(question.facts)
