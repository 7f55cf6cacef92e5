"""Question sets in the forms in which people have them, with their known quirks."""

import json

import pytest

from benchmarks.evaluate.sets import QuestionSetError, read_set


def write_lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def beir(tmp_path):
    write_lines(
        tmp_path / "queries.jsonl", {"_id": "q1", "text": "one?"}, {"_id": "q2", "text": "2"}
    )
    write_lines(tmp_path / "corpus.jsonl", *({"_id": f"d{n}", "text": "x"} for n in range(1, 4)))
    (tmp_path / "qrels").mkdir()
    return tmp_path


def test_our_own_form_and_that_of_the_exam(tmp_path):
    rows = [
        {"id": "a", "question": "How?", "documents": ["m.md"], "facts": [["8", "eight"]]},
        {"turns": ["Why?"], "documents": [], "facts": []},
    ]
    one, two = read_set(write_lines(tmp_path / "q.jsonl", *rows)).questions
    assert (one.id, one.text, one.documents, one.facts) == (
        "a",
        "How?",
        {"m.md": 1},
        (("8", "eight"),),
    )
    assert one.expects_answer
    assert (two.id, two.expects_answer) == ("2", False)


@pytest.mark.parametrize("header", ["query-id\tcorpus-id\tscore\n", ""])
def test_beir_with_or_without_header_grades_and_double_judgements(beir, header):
    lines = "q1\td1\t1\nq1\td1\t2\nq1\td2\t0\nq1\td3\t1\n"
    (beir / "qrels" / "test.tsv").write_text(header + lines)
    (one,) = read_set(beir).questions
    assert (one.text, one.documents) == ("one?", {"d1": 2, "d3": 1})


def test_beir_tells_queries_and_documents_that_are_missing(beir):
    (beir / "qrels" / "test.tsv").write_text("q1\td1\t1\nq1\td9\t1\nq9\td1\t1\nq2\td9\t1\n")
    found = read_set(beir)
    assert [one.id for one in found.questions] == ["q1"]
    assert found.questions[0].documents == {"d1": 1}
    assert found.notes == (
        "1 queries of test.tsv are not in queries.jsonl",
        "2 judged documents are not in corpus.jsonl",
    )


def test_trec_qrels_of_four_columns_are_read_too(beir):
    (beir / "qrels.tsv").write_text("q1 0 d1 1\n")
    assert read_set(beir).questions[0].documents == {"d1": 1}


NEW = {"user_input": "How?", "reference": "By hand.", "reference_contexts": ["It is done by hand."]}
OLD = {"question": "How?", "ground_truths": ["By hand."], "contexts": ["It is done by hand."]}


@pytest.mark.parametrize("row", [NEW, OLD])
def test_ragas_in_its_new_names_and_its_old_ones(tmp_path, row):
    (one,) = read_set(write_lines(tmp_path / "r.jsonl", row)).questions
    assert (one.text, one.reference) == ("How?", "By hand.")
    assert one.contexts == ("It is done by hand.",)
    (tmp_path / "r.json").write_text(json.dumps([row]))
    assert read_set(tmp_path / "r.json").questions[0].reference == "By hand."


def test_ragas_as_csv_has_lists_as_text_or_one_text(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text('user_input,reference,reference_contexts\nHow?,By hand.,"[""a"", ""b""]"\n')
    assert read_set(path).questions[0].contexts == ("a", "b")
    path.write_text("user_input,reference,reference_contexts\nHow?,By hand.,all of it\n")
    assert read_set(path).questions[0].contexts == ("all of it",)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("q.jsonl", "{", "q.jsonl:1: no JSON"),
        ("q.jsonl", "[1]\n", "q.jsonl:1: must be an object, got list"),
        ("q.jsonl", '{"turns": ["a", "b"], "documents": []}\n', "needs one `question`"),
        ("q.jsonl", '{"question": "a", "expect": "joke"}\n', "answer or decline, got 'joke'"),
        ("q.jsonl", '{"reference": "a"}\n', "needs the text `user_input`, got ['reference']"),
        ("q.jsonl", "\n", "holds no question"),
        ("q.json", "{}", "must hold a list, got dict"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path, name, text, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(QuestionSetError) as caught:
        read_set(tmp_path / name)
    assert told in str(caught.value)


def test_a_folder_that_is_no_set_and_qrels_that_are_none_are_told(beir):
    with pytest.raises(QuestionSetError, match=r"has none of qrels/test\.tsv"):
        read_set(beir)
    (beir / "qrels" / "test.tsv").write_text("q1\td1\t1\nq1\td1\n")
    with pytest.raises(QuestionSetError, match=r"test.tsv:2: needs query, document and score"):
        read_set(beir)


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c"])
def test_a_line_ends_where_json_lines_end(tmp_path, odd):
    path = tmp_path / "q.jsonl"
    row = {"question": f"What is{odd}this?", "facts": [["a"]]}
    path.write_text((json.dumps(row, ensure_ascii=False) + "\r\n") * 2, newline="")
    assert [one.text for one in read_set(path).questions] == [row["question"]] * 2


def test_ends_of_lines_within_a_cell_are_kept_and_python_lists_are_lists(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text(
        "user_input,reference,reference_contexts\r\nHow?,\"one\ntwo\",\"['it''s', 'b']\"\r\n"
        "Why?,[see the manual],[1\r\n",
        newline="",
    )
    one, two = read_set(path).questions
    assert (one.reference, one.contexts) == ("one\ntwo", ("its", "b"))
    assert (two.reference, two.contexts) == ("[see the manual]", ("[1",))


@pytest.mark.parametrize(
    ("row", "reference", "contexts"),
    [
        # What the system said and read, when the set was evaluated with it.
        ({"answer": "said", "contexts": ["read"], "ground_truth": "right"}, "right", ()),
        ({"answer": "said", "contexts": ["read"]}, "", ()),
        ({"response": "said", "retrieved_contexts": ["read"], "reference": "right"}, "right", ()),
        # A set of 0.1 that was only made: its contexts are those that hold the answer.
        ({"ground_truth": "right", "contexts": ["gold"]}, "right", ("gold",)),
        # What people write down: a question and its answer.
        ({"answer": "right"}, "right", ()),
    ],
)
def test_what_a_system_said_is_no_reference_and_what_it_read_holds_no_answer(
    tmp_path, row, reference, contexts
):
    path = write_lines(tmp_path / "q.jsonl", {"question": "How?"} | row)
    (one,) = read_set(path).questions
    assert (one.reference, one.contexts) == (reference, contexts)
