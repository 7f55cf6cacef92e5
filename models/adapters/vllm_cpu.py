"""Keeps vLLM's CPU build from writing with an adapter what asks for none.

Its kernels take a row's adapter by its slot, and -1, which stands for none, is the last slot where
the rows of a batch are looked up together. The kernels for GPUs leave such rows out (vLLM 0.32).
"""

from typing import Any


def leave_rows_without_adapter() -> None:
    """Has the first of the two products be zero for such rows, in the process that calls this."""
    from vllm.lora.ops.torch_ops import lora_ops
    from vllm.lora.punica_wrapper import punica_cpu

    shrink = lora_ops.bgmv_shrink
    if getattr(shrink, "leaves_rows", False):
        return

    def shrunk(
        inputs: Any,
        weights: Any,
        output_tensor: Any,
        lora_indices_tensor: Any,
        scaling: float = 1.0,
    ) -> None:
        shrink(inputs, weights, output_tensor, lora_indices_tensor, scaling)
        has_none = lora_indices_tensor[: output_tensor.shape[0]] < 0
        output_tensor[: len(has_none)][has_none] = 0  # rows beyond are padding

    shrunk.leaves_rows = True  # type: ignore[attr-defined]
    lora_ops.bgmv_shrink = punica_cpu.bgmv_shrink = shrunk
