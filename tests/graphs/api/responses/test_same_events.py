"""When two makings of an answer have the same event, so that a kept response goes on."""

from dataclasses import replace

import pytest

from graphs.api.responses.journal import is_same, read, written
from graphs.pipeline.events import Retrieved

BEGUN = Retrieved(
    passages=(), search_query="port", timings=(), identity="0" * 16, writer="GeneratorCanary",
    model="org/model",
)  # fmt: skip


def test_a_promotion_and_a_renamed_model_change_nothing():
    known = read(written(BEGUN))
    assert is_same(known, replace(BEGUN, writer="Generator", model="/models/org-model"))
    assert (known.writer, known.model) == ("GeneratorCanary", "org/model")


@pytest.mark.parametrize("other", [{"identity": "1" * 16}, {"search_query": "ports"}], ids=str)
def test_another_model_and_another_search_change_it(other):
    assert not is_same(BEGUN, replace(BEGUN, **other))
