"""Workers that claim, die, come back late and report in any order, beside a client that deletes."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from index.errors import LostLeaseError


class Workers(RuleBasedStateMachine):
    """One file of one store; `texts`, `head` and `holder` are what must be true of it."""

    def __init__(self, corpus):
        super().__init__()
        self.corpus, self.catalog = corpus, corpus.catalog
        self.store_file = (corpus.store(), corpus.upload())
        self.claimed, self.holder = [], None
        self.texts, self.head = None, 0

    @rule()
    def attach(self):
        self.catalog.attach_file(*self.store_file)
        self.texts = self.texts or ()

    @precondition(lambda self: self.texts is not None)
    @rule()
    def detach(self):
        self.catalog.detach_file(*self.store_file)
        self.texts, self.holder, self.head = None, None, self.head + 1

    @rule()
    def claim(self):
        job = self.catalog.claim_job("a", 60)
        if job is not None:
            self.claimed.append(job)
            self.holder = job

    @rule()
    def a_lease_runs_out(self):
        self.corpus.clock.now += 60

    @precondition(lambda self: self.holder is not None)
    @rule()
    def complete(self):
        self.texts = (f"words of attempt {self.holder.attempt} at job {self.holder.id}",)
        self.head += 1
        assert self.corpus.complete(self.holder, list(self.texts)) == self.head
        self.holder = None

    @precondition(lambda self: self.holder is not None)
    @rule()
    def fail(self):
        self.catalog.fail_job(self.holder, "server_error", "no room")
        self.holder = None

    @precondition(lambda self: self.claimed)
    @rule(choice=st.integers(0, 9))
    def report_late(self, choice):
        job = self.claimed[choice % len(self.claimed)]
        if job == self.holder:
            return
        assert not self.catalog.renew_job(job, 60)
        with pytest.raises(LostLeaseError):
            self.corpus.complete(job, ["too late"])
        with pytest.raises(LostLeaseError):
            self.catalog.fail_job(job, "server_error", "too late")

    @invariant()
    def only_the_holder_and_the_client_have_changed_anything(self):
        assert self.catalog.head() == self.head
        page = self.catalog.list_store_files(self.store_file[0])
        assert len(page.items) == (self.texts is not None)
        if self.texts is not None:
            assert self.catalog.store_file_text(*self.store_file) == self.texts


def test_only_the_holder_of_a_job_changes_anything(make_corpus):
    run_state_machine_as_test(
        lambda: Workers(make_corpus()), settings=settings(max_examples=8, stateful_step_count=25)
    )
