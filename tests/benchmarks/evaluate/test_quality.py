"""The quality log is told by day, and written as a set that the evaluation reads."""

from datetime import UTC, datetime

import pytest

from benchmarks.evaluate.quality import main
from benchmarks.evaluate.sets import read_set
from graphs.observing.quality_log import LoggedAnswer, LoggedPassage, write_rows


def answer(number, day, *, outcome="answered", relevance=0.5):
    return LoggedAnswer(
        request_id=f"r{number}", tenant="acme", question=f"Question {number}?", search_query="",
        ended_at=datetime(2026, 11, day, 12, tzinfo=UTC).timestamp(), answer="Yes. [1]",
        outcome=outcome, relevance=relevance, model="m", degraded=(),
        versions={"ragfleet": "0.1.0"},
        passages=(LoggedPassage(file="a.md", text="Yes.", score=relevance),),
    )  # fmt: skip


@pytest.fixture
def log(tmp_path):
    good = [answer(number, 28, relevance=0.9) for number in range(3)]
    worse = [answer(3, 29, relevance=0.4), answer(4, 29, outcome="declined", relevance=0.0)]
    write_rows(tmp_path / "log", [*good, *worse], 1)
    return tmp_path / "log"


def test_a_fall_is_seen_by_day(log, capsys):
    assert main(["report", str(log)]) == 0
    cells = [line.split() for line in capsys.readouterr().out.splitlines() if "acme" in line]
    told = [[cell for cell in line if cell not in {"│", "┃"}] for line in cells]
    assert told == [
        ["acme", "2026-11-28", "3", "0%", "0.90", "0.90", "-"],
        ["acme", "2026-11-29", "2", "50%", "0.40", "0.40", "-"],
    ]


def test_the_questions_are_exported_as_a_set(log, tmp_path, capsys):
    out = tmp_path / "set.jsonl"
    assert main(["export", str(log), "--since", "2026-11-29", "--out", str(out)]) == 0
    assert [one.text for one in read_set(out).questions] == ["Question 3?", "Question 4?"]


def test_what_is_no_log_is_told(log, tmp_path, capsys):
    assert main(["report", str(tmp_path / "none")]) == 2
    assert "holds no quality log" in capsys.readouterr().out
    (next(log.glob("*/*")) / "0.parquet").write_bytes(b"PAR1")
    assert main(["report", str(log)]) == 2
    assert "0.parquet cannot be read" in capsys.readouterr().out.replace("\n", "")
