from benchmarks.exam.asking import Transcript
from benchmarks.exam.judge import judge
from benchmarks.exam.questions import Question
from benchmarks.exam.report import OVERALL, excerpts, numbers, table


def asked(kind, number, answer, cited=("a.md",), half="dev", expect="answer"):
    question = Question(
        id=f"{kind}-{half}-{number}",
        kind=kind,
        half=half,
        turns=("first", "what | of it"),
        documents=("a.md",) if expect == "answer" else (),
        facts=(("7 euros",),) if expect == "answer" else (),
        wrong=("9 euros",),
        expect=expect,
    )
    return Transcript(
        question=question,
        answers=("Well.", answer),
        cited=tuple(cited),
        found=True,
        verdict=judge(question, answer, cited),
        ended="stop",
        latency_s=0.1,
    )


TRANSCRIPTS = [
    asked("single", 1, "7 euros [1]"),
    asked("table", 1, "7 euros [1]"),
    asked("table", 2, "9 euros [1]"),
    asked("table", 3, "7 euros [1]", cited=("b.md",)),
    asked("near_miss", 1, "I don't know.", cited=(), expect="decline"),
    asked("table", 1, "I don't know.", cited=(), half="test"),
]


def test_each_half_and_kind_is_counted_for_itself():
    counted = numbers(TRANSCRIPTS)
    assert list(counted["dev"]) == ["single", "table", "near_miss", OVERALL]
    assert counted["dev"]["table"] == {
        "asked": 3,
        "right": 1,
        "false": 1,
        "complete": 2,
        "cited": 2,
        "declined": 0,
        "found": 3,
    }
    assert counted["test"]["table"]["declined"] == 1
    assert counted["test"]["table"]["right"] == 0


def test_what_was_not_asked_has_no_rows():
    assert list(numbers(TRANSCRIPTS)) == ["dev", "test"]
    assert list(numbers([asked("table", 1, "7 euros [1]", half="tuning")])) == ["tuning"]


def test_the_first_exam_is_left_out_of_the_overall_row():
    overall = numbers(TRANSCRIPTS)["dev"][OVERALL]
    assert (overall["asked"], overall["right"]) == (4, 2)


def test_the_table_has_a_row_for_each_half_and_kind():
    lines = table(numbers(TRANSCRIPTS)).splitlines()
    assert len(lines) == 2 + 4 + 2
    assert "| dev | near miss | 1 | 1 | 0 | 0 | 1 | 1 | 1 | 1.00 |" in lines
    assert len({line.count("|") for line in lines}) == 1


def test_a_half_that_was_not_asked_has_no_rows():
    assert "test" not in table(numbers(TRANSCRIPTS[:-1]))


def test_excerpts_are_right_and_wrong_in_turn_and_say_why():
    lines = excerpts(TRANSCRIPTS, 4).splitlines()[2:]
    assert lines[0] == "| single | first<br>Well.<br>what \\| of it | 7 euros [1] |"
    assert "asked for 7 euros" in lines[1]
    assert len(lines) == 4


def test_an_answer_with_the_wrong_source_shows_which():
    (line,) = excerpts([TRANSCRIPTS[3]], 5).splitlines()[2:]
    assert "(not right: cites b.md)" in line
