"""vLLM's CPU kernels of adapters: a row without one is left as it is."""

import pytest
import torch

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]


def test_a_row_without_an_adapter_gets_none_beside_rows_that_have_one():
    pytest.importorskip("vllm", reason="make test-vllm installs it")
    from vllm.lora.ops.torch_ops import lora_ops

    from models.adapters.vllm_cpu import leave_rows_without_adapter

    leave_rows_without_adapter()
    weights = torch.ones(2, 1, 4, 8)  # two slots of rank 4
    shrunk = torch.full((3, 4), 7.0)
    lora_ops.bgmv_shrink(torch.ones(3, 8), weights, shrunk, torch.tensor([0, -1, 1]), 0.5)
    assert shrunk.tolist() == [[4.0] * 4, [0.0] * 4, [4.0] * 4]
