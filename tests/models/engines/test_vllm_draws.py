"""How vLLM's two model runners draw tokens, each through its own interface, without a model."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.engines.seeded import Draw, drawn_scores

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]
ONE = Draw(seed=1, temperature=1.0, top_p=1.0, top_k=0)
TWO = Draw(seed=-2, temperature=0.7, top_p=0.9, top_k=40)


@pytest.fixture
def module():
    pytest.importorskip("vllm", reason="make test-vllm installs it")
    from models.engines import vllm_draws

    return vllm_draws


def params(module, draw):
    from vllm import SamplingParams

    return SamplingParams(temperature=0.0, extra_args=module.draw_arguments(draw))


def logits(num_rows):
    return torch.randn(num_rows, 500, generator=torch.Generator().manual_seed(1))


def test_the_first_runner_follows_requests_from_row_to_row(module):
    from vllm.v1.sample.logits_processor import BatchUpdate, MoveDirectionality

    made = module.DrawnLogits(None, torch.device("cpu"), False)
    answer = [7, 8]  # vLLM lets it grow
    added = [
        (0, params(module, ONE), [5] * 10, answer),
        (1, params(module, None), [5] * 4, []),
        (2, params(module, TWO), [5] * 3, []),
    ]
    made.update_state(BatchUpdate(batch_size=3, removed=[], added=added, moved=[]))
    values = logits(3)
    expected = drawn_scores(values.clone(), [0, 2], [ONE, TWO], [12, 3])
    assert torch.equal(made.apply(values.clone()), expected)
    answer.append(9)
    move = (2, 0, MoveDirectionality.SWAP)
    made.update_state(BatchUpdate(batch_size=3, removed=[], added=[], moved=[move]))
    expected = drawn_scores(values.clone(), [2, 0], [ONE, TWO], [13, 3])
    assert torch.equal(made.apply(values.clone()), expected)
    made.update_state(BatchUpdate(batch_size=1, removed=[2, 0], added=[], moved=[]))
    assert torch.equal(made.apply(values.clone()), values)


def test_the_second_runner_draws_for_the_slot_of_each_row(module):
    made = module.DrawnSlots(SimpleNamespace(speculative_config=None), None)
    slots = {3: ONE, 1: None, 5: TWO}
    assert [made.add_request(slot, params(module, draw)) for slot, draw in slots.items()] == [
        True, False, True,
    ]  # fmt: skip
    context = SimpleNamespace(
        idx_mapping_np=np.array([5, 1, 3]), seq_lens_upper_bound_np=np.array([9, 4, 30])
    )
    values = logits(3)
    expected = drawn_scores(values.clone(), [0, 2], [TWO, ONE], [9, 30])
    assert torch.equal(made.apply(values.clone(), context), expected)
    assert not made.add_request(3, params(module, None))  # the slot's next request is greedy
    made.add_request(5, params(module, None))
    assert torch.equal(made.apply(values.clone(), context), values)


def test_speculative_decoding_is_refused_by_name(module):
    with pytest.raises(ValueError, match="speculative decoding"):
        module.DrawnSlots(SimpleNamespace(speculative_config=object()), None)


def test_each_runner_finds_its_class_by_name(module):
    for is_second, kind in ((False, module.DrawnLogits), (True, module.DrawnSlots)):
        name = module.processor_name(uses_second_runner=is_second)
        assert name == f"models.engines.vllm_draws:{kind.__name__}"
