import inspect
import pickle

import pytest

from index import errors

LEAVES = [
    leaf
    for _, leaf in inspect.getmembers(errors, inspect.isclass)
    if issubclass(leaf, errors.CorpusError) and leaf is not errors.CorpusError
]


@pytest.mark.parametrize("leaf", LEAVES)
def test_an_error_has_its_own_code_and_survives_a_handle(leaf):
    copy = pickle.loads(pickle.dumps(leaf("top_k must be in 1..50, got 99")))
    assert (type(copy), str(copy)) == (leaf, "top_k must be in 1..50, got 99")
    assert leaf.code != errors.CorpusError.code
    assert leaf.__name__ in (errors.__doc__ or "")
    assert issubclass(leaf, LookupError | ValueError | RuntimeError | PermissionError)


def test_codes_are_distinct():
    codes = [leaf.code for leaf in LEAVES if "code" in vars(leaf)]
    assert len(set(codes)) == len(codes)
