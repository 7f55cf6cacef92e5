"""How vLLM picks tokens: greedily, from logits that were changed as each request says.

vLLM's own penalties, masks and draws are not used: its grammars begin where generation begins, its
penalties take the delivered ids for the prompt's, and its draws are no function of the position, so
none of them goes on where a lost answer is resumed. Where it speculates it loads no processor: then
draws are its own, and the rest is refused (`models.engines.vllm_config.UNSERVED_SPECULATING`).

vLLM has two model runners, each with an interface of its own for what changes logits; there is a
class for each here, over the same steps as the transformers engine's. They run in vLLM's core
process, which finds them by their names. A request that says nothing stays greedy.

    frontend: picking_arguments(...) --extra_args--> core: apply -> picked_scores -> vLLM's argmax
"""

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, process_dict_updates
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as SlotLogitsProcessor

from models.adapters.vllm_cpu import leave_rows_without_adapter
from models.engines.grammars import GrammarMask, GrammarReader, GrammarRecipe
from models.engines.picking import Picking, Row, picked_scores, row_of
from models.generation import EngineRequest

_KEY = "picking"


def sampling_params(
    request: EngineRequest, end_ids: Sequence[int], *, speculates: bool
) -> SamplingParams:
    """Gives vLLM's parameters: greedy, since all that a request says is in the scores already.

    Args:
        request: what is asked.
        end_ids: the ids that end an answer of the model.
        speculates: whether no processor is loaded, so that vLLM draws, without a seed.
    """
    picking: dict[str, Any] = {"extra_args": None, "temperature": 0.0}
    if speculates:
        names = ("temperature", "top_p", "top_k")
        picking |= {name: getattr(request, name) for name in names}
    else:
        picking["extra_args"] = picking_arguments(request, end_ids)
    return SamplingParams(
        **picking,
        max_tokens=request.max_tokens,
        logprobs=request.sampling.top_logprobs,
        stop_token_ids=list(request.sampling.stop_token_ids),
        ignore_eos=request.sampling.ignore_eos,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )


def picking_arguments(request: EngineRequest, end_ids: Sequence[int]) -> dict[str, Any] | None:
    """Gives the `extra_args` of a request's SamplingParams.

    Probabilities are left to vLLM, which tells the model's own as well.
    """
    picking = Picking.of(request, end_ids)
    if picking is None or not picking.changes_logits:
        return None
    sent = io.BytesIO()
    _Sender(sent).dump(replace(picking, top_logprobs=None))
    return {_KEY: sent.getvalue()}


def processor_name(*, uses_second_runner: bool) -> str:
    """Gives vLLM's name ("module:class") of the class for a model runner."""
    chosen = PickedSlots if uses_second_runner else PickedBatch
    return f"{__name__}:{chosen.__name__}"


class _Sender(pickle.Pickler):
    """Writes what a request says; of a grammar its recipe, since a matcher cannot be sent."""

    def persistent_id(self, obj: object) -> GrammarRecipe | None:
        return obj.recipe if isinstance(obj, GrammarMask) else None


class _Receiver(pickle.Unpickler):
    """Reads what was sent, and nothing but our own data."""

    def __init__(self, sent: bytes, grammars: "_Grammars") -> None:
        super().__init__(io.BytesIO(sent))
        self._grammars = grammars

    def persistent_load(self, pid: GrammarRecipe) -> GrammarMask:
        return self._grammars.reader().mask(pid)

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if not module_name.startswith("models.") or "." in global_name:
            msg = f"a request may hold data of models alone, got {module_name}.{global_name}"
            raise pickle.UnpicklingError(msg)
        return super().find_class(module_name, global_name)


class _Grammars:
    """Reads grammars in vLLM's core; the tokenizer is loaded for the first one."""

    def __init__(self, vllm_config: Any) -> None:
        self._vllm_config = vllm_config
        self._reader: GrammarReader | None = None

    def reader(self) -> GrammarReader:
        if self._reader is None:
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(self._vllm_config.model_config.tokenizer)
            self._reader = GrammarReader(tokenizer.backend_tokenizer.to_str())
        return self._reader

    def picking_of(self, params: SamplingParams) -> Picking | None:
        """Gives what a request says; None: nothing."""
        sent = (params.extra_args or {}).get(_KEY)
        if sent is None:
            return None
        picking: Picking = _Receiver(sent, self).load()
        return picking


@dataclass(kw_only=True)
class _Followed:
    """A request in vLLM's first runner.

    Attributes:
        ids: prompt and answer, as far as they were read from `output_ids`.
        num_prompt: how many of them vLLM calls the prompt.
        output_ids: the answer since, a list that vLLM lets grow.
    """

    picking: Picking
    ids: list[int]
    num_prompt: int
    output_ids: Sequence[int]

    def row(self, index: int) -> Row:
        self.ids += self.output_ids[len(self.ids) - self.num_prompt :]
        return row_of(index, self.picking, self.ids)


class PickedBatch(LogitsProcessor):  # type: ignore[misc]  # vLLM is not followed
    """Picks tokens in vLLM's first model runner (CPU)."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        if vllm_config.lora_config is not None:
            leave_rows_without_adapter()
        self._grammars = _Grammars(vllm_config)
        self._followed: dict[int, _Followed] = {}

    def is_argmax_invariant(self) -> bool:
        """Says no: the argmax is what is changed."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follows the requests of the batch from row to row."""
        process_dict_updates(self._followed, batch_update, self._follow)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Turns float (n, vocabulary_size) logits into scores whose argmax is the token."""
        rows = [followed.row(index) for index, followed in self._followed.items()]
        return picked_scores(logits, rows) if rows else logits

    def _follow(
        self, params: SamplingParams, prompt_ids: list[int] | None, output_ids: list[int]
    ) -> _Followed | None:
        """Begins anew, also where vLLM took a request from the batch for a while."""
        picking = self._grammars.picking_of(params)
        if picking is None:
            return None
        ids = list(prompt_ids or ())
        return _Followed(picking=picking, ids=ids, num_prompt=len(ids), output_ids=output_ids)


@dataclass(kw_only=True)
class _Slot:
    """A request in vLLM's second runner, and its ids so far; empty until they are needed."""

    picking: Picking
    ids: list[int] = field(default_factory=list)


class PickedSlots(SlotLogitsProcessor):  # type: ignore[misc]  # vLLM is not followed
    """Picks tokens in vLLM's second model runner (GPUs with Triton), which keeps slots."""

    def __init__(self, vllm_config: Any, req_states: Any) -> None:
        if vllm_config.speculative_config is not None:
            msg = "seeded sampling and speculative decoding do not go together on vLLM"
            raise ValueError(msg)
        self._grammars = _Grammars(vllm_config)
        self._states = req_states
        self._slots: dict[int, _Slot] = {}

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        """Takes the request that enters a slot; says whether its logits are changed."""
        picking = self._grammars.picking_of(sampling_params)
        if picking is None:
            self._slots.pop(req_idx, None)
            return False
        self._slots[req_idx] = _Slot(picking=picking)
        return True

    def apply(self, logits: torch.Tensor, ctx: LogitsContext) -> torch.Tensor:
        """Turns float (n, vocabulary_size) logits into scores whose argmax is the token.

        Without speculative decoding a request has one row, and the length that vLLM calls an upper
        bound is exact.
        """
        slots = zip(ctx.idx_mapping_np, ctx.seq_lens_upper_bound_np, strict=False)
        picked = [
            (index, int(slot), int(length))
            for index, (slot, length) in enumerate(slots)
            if slot in self._slots
        ]
        if not picked:
            return logits
        last_ids = self._last_ids(picked, ctx)
        rows = [
            row_of(index, self._slots[slot].picking, self._ids(slot, length, last_ids.get(index)))
            for index, slot, length in picked
        ]
        return picked_scores(logits, rows)

    def _last_ids(
        self, picked: Sequence[tuple[int, int, int]], ctx: LogitsContext
    ) -> Mapping[int, int]:
        """Gives the newest id of the rows that need their ids, which costs a wait for the GPU."""
        indexes = [index for index, slot, _ in picked if _needs_ids(self._slots[slot].picking)]
        if not indexes:
            return {}
        return dict(zip(indexes, ctx.input_ids[indexes].tolist(), strict=True))

    def _ids(self, slot: int, length: int, last_id: int | None) -> Sequence[int]:
        """Gives the ids of a request; those of one that needs only their number are no real ones.

        Args:
            slot: the request's.
            length: tokens of prompt and answer so far.
            last_id: the newest of them; None where only their number is needed.
        """
        if last_id is None:
            return range(length)
        ids = self._slots[slot].ids
        if len(ids) == length - 1:
            ids.append(last_id)
        else:
            ids[:] = self._states.all_token_ids.gpu[slot, :length].tolist()
        return ids


def _needs_ids(picking: Picking) -> bool:
    return picking.adjustment is not None or picking.mask is not None
