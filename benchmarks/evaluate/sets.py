"""Sets of questions in the forms in which people have them.

questions.jsonl      ours: {"question": ..., "documents": [file names], "facts": [[spellings]],
"expect": "answer" | "decline"}; the exam's `turns` are read, too
a folder             BEIR: queries.jsonl and qrels/test.tsv (or qrels.tsv); a document's name is
its corpus id, as `graphs.commands.ingest corpus.jsonl` names it
.jsonl, .json, .csv  RAGAS: user_input, reference, reference_contexts; its older names
question, ground_truth(s) and contexts, too. What a system once said and read is not looked at:
`response`, `retrieved_contexts`, and `answer` with `contexts` beside it; `answer` alone is right
"""

import ast
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_QRELS = ("qrels/test.tsv", "qrels.tsv", "qrels/dev.tsv")
_RAGAS_NAMES = {
    "user_input": ("user_input", "question"),
    "reference": ("reference", "ground_truth", "ground_truths"),
    "contexts": ("reference_contexts", "contexts"),
}
_READ = ("contexts", "retrieved_contexts")  # beside an `answer`: by the system that gave it
_NUM_COLUMNS = 3  # of a line of qrels


class QuestionSetError(ValueError):
    """A set of questions cannot be read; the message names file, line and what was wrong."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question and what is known of its answer.

    Attributes:
        documents: name -> how relevant it is, above 0; none: not known.
        contexts: texts that hold the answer, where documents have no names.
        facts: the answer states each of them, in any one of its spellings.
        reference: a right answer in other words; empty: not known.
        expects_answer: whether the documents hold one.
        ignored: names of documents that do not count, such as the question itself.
    """

    id: str
    text: str
    documents: Mapping[str, int] = field(default_factory=dict)
    contexts: tuple[str, ...] = ()
    facts: tuple[tuple[str, ...], ...] = ()
    reference: str = ""
    expects_answer: bool = True
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class QuestionSet:
    """Questions, and what of the file was left out, in words."""

    questions: tuple[Question, ...]
    notes: tuple[str, ...] = ()


def read_set(path: Path) -> QuestionSet:
    """Reads a set in whichever form it has.

    Raises:
        QuestionSetError: it cannot be read, or holds no question.
    """
    try:
        found = _read_beir(path) if path.is_dir() else _read_file(path)
    except (OSError, UnicodeDecodeError) as err:
        raise QuestionSetError(f"{path} cannot be read: {err}") from err
    if not found.questions:
        raise QuestionSetError(f"{path} holds no question{'; '.join(('', *found.notes))}")
    return found


def _read_file(path: Path) -> QuestionSet:
    rows = list(_rows(path))
    known = {name for names in _RAGAS_NAMES.values() for name in names} - {"question"} | {"answer"}
    is_ragas = bool(rows) and not {"turns", "documents", "facts", "expect"} & rows[0].keys()
    read = _ragas if is_ragas and known & rows[0].keys() else _own
    questions = [read(row, f"{path}:{number}") for number, row in enumerate(rows, start=1)]
    return QuestionSet(questions=tuple(questions))


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".csv":
        yield from csv.DictReader(io.StringIO(text, newline=""))
        return
    if path.suffix == ".json":
        value = _parsed(text, str(path))
        if not isinstance(value, list):
            raise QuestionSetError(f"{path} must hold a list, got {type(value).__name__}")
        yield from (_mapping(one, f"{path}:{number}") for number, one in enumerate(value, start=1))
        return
    # Not splitlines(): JSON may hold U+2028 and others of its ends of lines.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _mapping(_parsed(line, f"{path}:{number}"), f"{path}:{number}")


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as err:
        raise QuestionSetError(f"{place}: no JSON: {err}") from err


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise QuestionSetError(f"{place}: must be an object, got {type(value).__name__}")
    return value


def _own(row: Mapping[str, Any], place: str) -> Question:
    turns = _texts(row.get("turns") or [row.get("question") or ""])
    if len(turns) != 1 or not turns[0].strip():
        raise QuestionSetError(f"{place}: needs one `question` (chats are for benchmarks.answers)")
    documents = _texts(row.get("documents") or ())
    facts = tuple(_texts(fact) for fact in row.get("facts") or ())
    expect = row.get("expect") or ("answer" if documents or facts else "decline")
    if expect not in {"answer", "decline"}:
        raise QuestionSetError(f"{place}: `expect` must be answer or decline, got {expect!r}")
    return Question(
        id=str(row.get("id") or place.rpartition(":")[2]),
        text=turns[0],
        documents=dict.fromkeys(documents, 1),
        facts=facts,
        expects_answer=expect == "answer",
    )


def _ragas(row: Mapping[str, Any], place: str) -> Question:
    found = {
        name: next((row[one] for one in names if row.get(one)), None)
        for name, names in _RAGAS_NAMES.items()
    }
    if not isinstance(found["user_input"], str):
        raise QuestionSetError(f"{place}: needs the text `user_input`, got {sorted(row)}")
    if row.get("answer"):
        if any(row.get(name) for name in _READ):
            found["contexts"] = row.get("reference_contexts")
        else:
            found["reference"] = found["reference"] or row["answer"]
    reference = _texts(found["reference"] or ())
    return Question(
        id=str(row.get("id") or place.rpartition(":")[2]),
        text=found["user_input"],
        reference=reference[0] if reference else "",
        contexts=_texts(found["contexts"] or ()),
    )


def _texts(value: Any) -> tuple[str, ...]:
    """Reads texts, also one alone, and a list that a CSV holds as JSON or as Python writes it."""
    if isinstance(value, str) and value.startswith("["):
        for read in (json.loads, ast.literal_eval):
            try:
                value = read(value)
                break
            except (ValueError, SyntaxError):
                continue
    return (value,) if isinstance(value, str) else tuple(str(one) for one in value)


def _read_beir(folder: Path) -> QuestionSet:
    qrels = next((folder / name for name in _QRELS if (folder / name).is_file()), None)
    if qrels is None:
        raise QuestionSetError(f"{folder} is no BEIR set: it has none of {', '.join(_QRELS)}")
    texts = {
        str(row.get("_id", row.get("id"))): str(row.get("text", ""))
        for row in _rows(folder / "queries.jsonl")
    }
    relevant = _judgements(qrels)
    corpus = folder / "corpus.jsonl"
    rows = _rows(corpus) if corpus.exists() else None
    known = {str(row.get("_id", row.get("id"))) for row in rows} if rows else None
    questions, notes = [], []
    if unknown := sorted(relevant.keys() - texts.keys()):
        notes.append(f"{len(unknown)} queries of {qrels.name} are not in queries.jsonl")
    num_missing = 0
    for identifier, judged in relevant.items():
        found = {name: grade for name, grade in judged.items() if known is None or name in known}
        num_missing += len(judged) - len(found)
        if identifier in texts and found:
            questions.append(
                Question(
                    id=identifier, text=texts[identifier], documents=found,
                    ignored=frozenset({identifier} - found.keys()),
                )
            )  # fmt: skip
    if num_missing:
        notes.append(f"{num_missing} judged documents are not in corpus.jsonl")
    return QuestionSet(questions=tuple(questions), notes=tuple(notes))


def _judgements(path: Path) -> dict[str, dict[str, int]]:
    """Reads qrels, with their header or without; what is judged twice counts as the better."""
    found: dict[str, dict[str, int]] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        cells = line.split("\t") if "\t" in line else line.split()
        if not cells or (number == 1 and not cells[-1].lstrip("-").isdecimal()):
            continue
        if len(cells) < _NUM_COLUMNS or not cells[-1].lstrip("-").isdecimal():
            raise QuestionSetError(f"{path}:{number}: needs query, document and score: {line!r}")
        grade = int(cells[-1])
        if grade > 0:  # judged, and not relevant
            of_query = found.setdefault(cells[0], {})
            of_query[cells[-2]] = max(grade, of_query.get(cells[-2], 0))
    return found


def limited(questions: Iterable[Question], limit: int | None) -> tuple[Question, ...]:
    """Gives the first questions; None: all."""
    return tuple(questions)[:limit]
