"""Whose fault it is that a request ends."""

import pytest

from graphs.api.faults import is_fault
from graphs.errors import DeadlineError, OverloadedError, UnknownModelError
from graphs.pipeline.trace import ENDS
from index.errors import CorpusUnavailableError, UnknownStoreError
from models.errors import ContextLengthError, InvalidInputError


@pytest.mark.parametrize(
    "error", [UnknownModelError, UnknownStoreError, ContextLengthError, InvalidInputError]
)
def test_what_clients_do_wrong_is_no_fault_of_the_server(error):
    assert not is_fault(error.code)


@pytest.mark.parametrize("error", [OverloadedError, DeadlineError, CorpusUnavailableError])
def test_what_the_server_cannot_do_is_its_fault(error):
    assert is_fault(error.code)


def test_an_end_that_nobody_knows_is_a_fault_and_one_without_an_error_is_none():
    assert is_fault("server_error")
    assert is_fault("unheard_of")
    assert not any(map(is_fault, ENDS))
