"""Five misses of the exam: `graphs.explain` names their cause, and without the cause there is none.

That a step is the cause of a miss is shown by taking that step away: with a lower threshold, one
sentence less, the part asked alone, more sentences judged or more passages found, the expected
passage goes further.
"""

import re
import time

import pytest
from openai import OpenAI

from benchmarks.answers import LOCAL, filled
from benchmarks.exam.asking import Store, ask, upload
from benchmarks.exam.documents import DOCUMENTS
from benchmarks.exam.in_process import served
from benchmarks.exam.questions import read_questions
from graphs.explain import fetched
from graphs.observing.fate import fate_of
from graphs.pipeline.quoting import quoter

QUESTIONS = {one.id: one for one in read_questions(("dev",))}


class Exam:
    """The served system with the documents of the exam's first half."""

    def __init__(self, base_url):
        self.base_url = base_url
        self.client = OpenAI(base_url=base_url, api_key="none", timeout=300)
        self.stores = {}
        for store, asked in filled(self.client, "dev", list(QUESTIONS.values())):
            self.stores |= {one.id: store for one in asked}

    def miss(self, number, lost):
        """Asks a question of the exam, sees it answered wrongly, and tells what became of it."""
        question = QUESTIONS[number]
        transcript = ask(self.client, self.stores[number], question)
        assert not transcript.verdict.right, f"{number} is no miss any more: choose another"
        return self.fate(question.turns[-1], self.stores[number], lost)[0]

    def fate(self, text, store, lost, **options):
        """Asks, and tells what became of the passage with the words; gives the answer, too."""
        reply = self.client.chat.completions.with_raw_response.create(
            model=f"rag:{store.id}", messages=[{"role": "user", "content": text}],
            extra_body={"rag": options},
        )  # fmt: skip
        request_id = reply.headers["x-request-id"]
        record = fetched(self.base_url.removesuffix("/v1"), request_id, "none", tries=1)
        return fate_of(record, lost), reply.parse().choices[0].message.content


@pytest.fixture(scope="module")
def exam():
    with served(LOCAL) as base_url:
        yield Exam(base_url)


def test_a_sentence_below_the_threshold(exam):
    number = "single-dev-06"
    fate = exam.miss(number, "35 minutes")
    assert re.search(r"35 minutes\.' has 0\.1\d\d; not quoted, below the threshold 0\.500", fate)
    question = QUESTIONS[number].turns[-1]
    told, answer = exam.fate(question, exam.stores[number], "35 minutes", score_threshold=0.1)
    assert "was quoted" in told
    assert "35 minutes" in answer


def test_another_sentence_of_the_same_passage_that_fits_better(exam, tmp_path):
    number, other = "single-dev-24", "The teaching pool is 32 degrees warm and 90 centimetres deep."
    fate = exam.miss(number, "27 degrees")
    assert f"not quoted, since {other!r} fits better" in fate
    pool = DOCUMENTS / "single" / "swimming-pool.txt"
    shorter = tmp_path / pool.name
    shorter.write_text(" ".join(pool.read_text().split()).replace(other, ""))
    assert other in " ".join(pool.read_text().split())
    store = without(exam, exam.stores[number], pool.name, shorter)
    told, answer = exam.fate(QUESTIONS[number].turns[-1], store, "27 degrees")
    assert "was quoted" in told
    assert "27 degrees" in answer


def without(exam, store, name, instead):
    """Makes a store with the files of another, but for one in whose place another stands."""
    made = upload(exam.client, [instead])
    for file_id, filename in store.names.items():
        if filename != name:
            exam.client.vector_stores.files.create(made.id, file_id=file_id)
    wait = exam.client.vector_stores.retrieve
    while wait(made.id).file_counts.in_progress:
        time.sleep(0.1)
    return Store(id=made.id, names=store.names | made.names)


def test_a_sentence_that_does_not_come_before_the_judge(exam, monkeypatch):
    number = "single-dev-30"
    fate = exam.miss(number, "Friday nights")
    assert (
        "'The dome opens on clear Friday nights.' has 0.000; not quoted, since only the 6" in fate
    )
    monkeypatch.setattr(quoter, "_MAX_JUDGED", 24)
    told, _ = exam.fate(QUESTIONS[number].turns[-1], exam.stores[number], "Friday nights")
    assert "only the" not in told
    assert "Friday nights.' has 0.000" not in told


def test_a_sentence_that_lacks_what_is_asked_for_by_name(exam):
    number = "two_documents-dev-09"
    fate = exam.miss(number, "50 minutes")
    assert "quote 'how long does part HK-4412 take to restore a Tessel snapshot?'" in fate
    assert "a restore takes about 50 minutes.' cannot answer this: it lacks what is asked" in fate
    named, _ = exam.fate(
        QUESTIONS[number].turns[-1], exam.stores[number], "50 minutes", score_threshold=0.4
    )
    assert "cannot answer this" in named
    alone = "How long does it take to restore a Tessel snapshot?"
    told, answer = exam.fate(alone, exam.stores[number], "50 minutes", score_threshold=0.4)
    assert "was quoted" in told
    assert "50 minutes" in answer


def test_a_passage_that_the_search_does_not_find(exam):
    number = "other_language-dev-03"
    fate = exam.miss(number, "five months")
    assert fate == "search: 'five months' is not among the 12 passages that were found"
    found = exam.client.vector_stores.search(
        exam.stores[number].id, query=QUESTIONS[number].turns[-1], max_num_results=50
    )
    places = [
        place for place, hit in enumerate(found, start=1) if "five months" in hit.content[0].text
    ]
    assert places
    assert min(places) > 12
