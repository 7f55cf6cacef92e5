"""Which inputs share a forward pass, when each is padded to the longest beside it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def batches_of(
    lengths: Sequence[int], *, most: int, pass_tokens: int | None
) -> list[npt.NDArray[np.intp]]:
    """Splits inputs into batches of like length, so that all passes together cost least.

    A pass costs its tokens, padding included, and `pass_tokens` more. The shortest path over the
    inputs in the order of their lengths finds the split.

    Args:
        lengths: of each input, in tokens.
        most: inputs in a batch.
        pass_tokens: what a pass costs beside its tokens, in tokens. None: so many, as on a GPU,
            that padding is as good as free, and every batch but the last is full.

    Returns:
        The places of the inputs, shortest first, one array a batch.
    """
    order = np.argsort(lengths, kind="stable")
    if pass_tokens is None:
        return np.split(order, range(most, len(order), most))
    # For the first inputs alone: the least cost, and where the last batch begins.
    costs, starts = [0], [0]
    for end in range(1, len(order) + 1):
        longest = int(lengths[order[end - 1]])
        cost, start = min(
            (costs[start] + longest * (end - start), start)
            for start in range(max(0, end - most), end)
        )
        costs.append(cost + pass_tokens)
        starts.append(start)
    batches, end = [], len(order)
    while end:
        batches.append(order[starts[end] : end])
        end = starts[end]
    return batches[::-1]
