"""Muon for stacks of matrices (Keller Jordan, kellerjordan.github.io/posts/muon), in float32.

`torch.optim.Muon` works in bfloat16 and on single matrices; on a CPU without bfloat16 units that is
several times slower, and fused projections are stacks.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NUM_ITERATIONS = 5


def orthogonalize(matrices: Tensor) -> Tensor:
    """Newton-Schulz iteration towards the nearest half-orthogonal matrices, (stack, out, in)."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(NUM_ITERATIONS):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.transpose(1, 2) if tall else x
    return result


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; parameters of one shape are worked on together."""

    def __init__(self, groups: Iterable[dict[str, Any]], *, momentum: float = 0.95) -> None:
        """Takes groups with `lr`, of matrices (out, in) or stacks of them (stack, out, in)."""
        super().__init__(groups, {"momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Applies one update."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[Tensor]] = {}
            for parameter in group["params"]:
                shapes.setdefault(tuple(parameter.shape[-2:]), []).append(parameter)
            for shape, parameters in shapes.items():
                updates = [
                    self._momentum(p, group["momentum"]).view(-1, *shape) for p in parameters
                ]
                stacked = orthogonalize(torch.cat(updates))
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                done = 0
                for parameter, update in zip(parameters, updates, strict=True):
                    part = stacked[done : done + len(update)].view_as(parameter)
                    parameter.add_(part, alpha=-group["lr"] * scale)
                    done += len(update)

    def _momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].mul_(momentum).add_(parameter.grad)
        return parameter.grad.add(state["momentum"], alpha=momentum)
