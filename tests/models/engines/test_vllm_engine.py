"""What of vLLM's output passes; the engine itself needs a GPU and the extra `gpu`."""

from types import SimpleNamespace

import pytest

from models.engines.vllm_engine import _step
from models.errors import EngineStoppedError
from models.generation import EngineStep


@pytest.mark.parametrize(
    ("reason", "token_ids"), [(None, (5, 6, 7)), ("length", (5, 6, 7)), ("stop", (5, 6))]
)
def test_an_answer_ends_by_itself_or_by_its_length(reason, token_ids):
    step = _step(SimpleNamespace(token_ids=[5, 6, 7], finish_reason=reason))
    assert step == EngineStep(token_ids=token_ids, finish_reason=reason)


@pytest.mark.parametrize("reason", ["abort", "error", "repetition"])
def test_an_answer_that_is_cut_otherwise_is_lost_and_not_finished(reason):
    with pytest.raises(EngineStoppedError, match=reason):
        _step(SimpleNamespace(token_ids=[5], finish_reason=reason))
