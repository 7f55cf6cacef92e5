"""How vLLM picks tokens: greedily, from logits to which each request's draw was applied.

vLLM has two model runners, each with an interface of its own for what changes logits; there is a
class for each here, over the same kernel as the transformers engine's. They run in vLLM's core
process, which finds them by their names. A request that has no draw stays greedy.

    frontend: draw_arguments(...) --extra_args--> core: DrawnLogits.apply --> vLLM's argmax
"""

from dataclasses import asdict
from typing import Any

import torch
from vllm import SamplingParams
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, process_dict_updates
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as SlotLogitsProcessor

from models.engines.seeded import Draw, drawn_scores

_KEY = "draw"
_Drawn = tuple[Draw, int, list[int]]


def draw_arguments(draw: Draw | None) -> dict[str, Any] | None:
    """Gives the `extra_args` of a request's SamplingParams, as msgpack can carry them."""
    return None if draw is None else {_KEY: asdict(draw)}


def processor_name(*, uses_second_runner: bool) -> str:
    """Gives vLLM's name ("module:class") of the class for a model runner."""
    chosen = DrawnSlots if uses_second_runner else DrawnLogits
    return f"{__name__}:{chosen.__name__}"


class DrawnLogits(LogitsProcessor):  # type: ignore[misc]  # vLLM is not followed
    """Draws tokens in vLLM's first model runner (CPU)."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        self._drawn: dict[int, _Drawn] = {}

    def is_argmax_invariant(self) -> bool:
        """Says no: the argmax is what is changed."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follows the requests of the batch from row to row."""
        process_dict_updates(self._drawn, batch_update, _new_request)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Turns float (n, vocabulary_size) logits into scores whose argmax is drawn."""
        if not self._drawn:
            return logits
        states = self._drawn.values()
        return drawn_scores(
            logits,
            list(self._drawn),
            [draw for draw, _, _ in states],
            [num_prompt + len(output_ids) for _, num_prompt, output_ids in states],
        )


class DrawnSlots(SlotLogitsProcessor):  # type: ignore[misc]  # vLLM is not followed
    """Draws tokens in vLLM's second model runner (GPUs with Triton), which keeps slots."""

    def __init__(self, vllm_config: Any, req_states: Any) -> None:
        if vllm_config.speculative_config is not None:
            msg = "seeded sampling and speculative decoding do not go together on vLLM"
            raise ValueError(msg)
        self._draws: dict[int, Draw] = {}

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        """Takes the request that enters a slot; says whether it is drawn."""
        draw = _draw_of(sampling_params)
        if draw is None:
            self._draws.pop(req_idx, None)
            return False
        self._draws[req_idx] = draw
        return True

    def apply(self, logits: torch.Tensor, ctx: LogitsContext) -> torch.Tensor:
        """Turns float (n, vocabulary_size) logits into scores whose argmax is drawn.

        Without speculative decoding a request has one row, and the length that vLLM calls an upper
        bound is exact.
        """
        drawn = [
            (row, self._draws[slot], int(length))
            for row, (slot, length) in enumerate(
                zip(ctx.idx_mapping_np, ctx.seq_lens_upper_bound_np, strict=False)
            )
            if slot in self._draws
        ]
        if not drawn:
            return logits
        rows, draws, positions = zip(*drawn, strict=True)
        return drawn_scores(logits, rows, draws, positions)


def _draw_of(params: SamplingParams) -> Draw | None:
    arguments = (params.extra_args or {}).get(_KEY)
    return None if arguments is None else Draw(**arguments)


def _new_request(
    params: SamplingParams, prompt_ids: list[int] | None, output_ids: list[int]
) -> _Drawn | None:
    """Gives a request's draw, prompt length and ids so far, a list that vLLM lets grow."""
    draw = _draw_of(params)
    return None if draw is None else (draw, len(prompt_ids or ()), output_ids)
