"""How vLLM's two model runners pick tokens, each through its own interface, without a model."""

import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.constraints import Regex
from models.engines.mask_maker import MaskMaker
from models.engines.masks import ChoicesMask
from models.engines.picking import Picking, picked_scores, row_of
from models.engines.thinking_mask import ThinkingMask
from models.generation import EngineRequest, Sampling

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]
FOLDER = Path(__file__).parents[3] / "models/bundled/generator-full"
SIZE = 6144  # the bundled model's
END = 1
PROMPT = (5, 6, 7, 6)
CHOICES = ChoicesMask(answers=((40, 41, END), (40, 50, END)), end_id=END, vocabulary_size=SIZE)


@pytest.fixture
def module():
    pytest.importorskip("vllm", reason="make test-vllm installs it")
    from models.engines import vllm_picking

    return vllm_picking


def asked(prompt=PROMPT, mask=None, temperature=0.0, **sampling):
    return EngineRequest(
        prompt_ids=tuple(prompt), answer_start=len(PROMPT), max_tokens=9, temperature=temperature,
        top_p=0.9, top_k=40, seed=-2**63, mask=mask, sampling=Sampling(**sampling),
    )  # fmt: skip


DRAWN = asked(temperature=0.7, min_p=0.01)
PENALISED = asked(
    temperature=1.0, repetition_penalty=1.3, frequency_penalty=0.5, logit_bias=((9, 4.0),)
)
HELD = asked(mask=CHOICES)
NEUTRAL = asked()


def params(module, request):
    """The parameters as the core gets them: through msgpack."""
    import msgspec  # of vLLM
    from vllm import SamplingParams

    made = SamplingParams(temperature=0.0, extra_args=module.picking_arguments(request, [END]))
    return msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=SamplingParams)


def logits(num_rows):
    return torch.randn(num_rows, SIZE, generator=torch.Generator().manual_seed(1))


def expected(values, *rows):
    """What the transformers engine makes of the same requests.

    Args:
        rows: index, request and answer of each.
    """
    pickings = [Picking.of(request, [END]) for _, request, _ in rows]
    made = [
        row_of(index, picking, [*request.prompt_ids, *answer])
        for picking, (index, request, answer) in zip(pickings, rows, strict=True)
    ]
    return picked_scores(values.clone(), made)


def batch(module):
    return module.PickedBatch(
        SimpleNamespace(lora_config=None, model_config=SimpleNamespace(tokenizer=str(FOLDER))),
        None,
        False,
    )


def update(added=(), removed=(), moved=()):
    from vllm.v1.sample.logits_processor import BatchUpdate

    return BatchUpdate(batch_size=4, removed=removed, added=added, moved=moved)


def test_the_first_runner_follows_requests_from_row_to_row(module):
    from vllm.v1.sample.logits_processor import MoveDirectionality

    made, answers = batch(module), ([7, 8], [], [40], [6, 6])  # vLLM lets them grow
    added = [
        (index, params(module, request), list(PROMPT), answers[index])
        for index, request in enumerate((DRAWN, NEUTRAL, HELD, PENALISED))
    ]
    made.update_state(update(added))
    values = logits(4)
    first = expected(
        values, (0, DRAWN, [7, 8]), (2, HELD, [40]), (3, PENALISED, [6, 6])
    )  # fmt: skip
    assert torch.equal(made.apply(values.clone()), first)
    assert first[2].argmax() in (41, 50)
    answers[2].append(50)
    answers[3].append(9)
    made.update_state(update(moved=[(2, 0, MoveDirectionality.SWAP)]))
    second = expected(
        values, (2, DRAWN, [7, 8]), (0, HELD, [40, 50]), (3, PENALISED, [6, 6, 9])
    )  # fmt: skip
    assert torch.equal(made.apply(values.clone()), second)
    assert second[0].argmax() == END
    made.update_state(update(removed=[3, 2, 0]))
    assert torch.equal(made.apply(values.clone()), values)


def test_a_request_that_vllm_took_from_the_batch_goes_on_with_its_answer(module):
    made, values = batch(module), logits(1)
    made.update_state(update([(0, params(module, PENALISED), list(PROMPT), [6])]))
    made.apply(values.clone())
    made.update_state(update(removed=[0]))
    made.update_state(update([(0, params(module, PENALISED), list(PROMPT), [6, 9])]))
    assert torch.equal(made.apply(values.clone()), expected(values, (0, PENALISED, [6, 9])))


def test_a_prompt_that_is_read_in_pieces_leaves_no_trace(module):
    made, values, answer = batch(module), logits(1), []
    made.update_state(update([(0, params(module, HELD), list(PROMPT), answer)]))
    for _ in range(3):  # what is picked in between, vLLM throws away
        assert torch.equal(made.apply(values.clone()), expected(values, (0, HELD, [])))


async def test_a_grammar_is_made_again_from_what_is_sent(module):
    def encode(texts):
        raise AssertionError(texts)

    tokenizer_json = (FOLDER / "tokenizer.json").read_text()
    maker = MaskMaker(tokenizer_json, encode, end_id=END, vocabulary_size=SIZE)
    mask = await maker.mask(Regex(pattern="[0-9]{2}"))
    request = asked(mask=mask)
    made, values, answer = batch(module), logits(1), []
    made.update_state(update([(0, params(module, request), list(PROMPT), answer)]))
    for _ in range(3):
        answer.append(int(made.apply(values.clone()).argmax()))
    mask.check(answer[:2])
    assert answer[2] == END
    thinking = ThinkingMask(
        begin_id=2, end_id=3, is_begun=True, limit=1, stop_ids=frozenset({END}), answer=mask,
        vocabulary_size=SIZE,
    )  # fmt: skip
    answer = []
    added = (0, params(module, asked(mask=thinking)), list(PROMPT), answer)
    made.update_state(update([added]))
    for _ in range(5):
        answer.append(int(made.apply(values.clone()).argmax()))
    assert (answer[1], answer[4]) == (3, END)
    mask.check(answer[2:4])


class States:
    """What vLLM's second runner keeps of its slots."""

    def __init__(self, ids):
        held = torch.zeros(8, 20, dtype=torch.int64)
        for slot, row in ids.items():
            held[slot, : len(row)] = torch.tensor(row)
        self.all_token_ids = SimpleNamespace(gpu=held)


def test_the_second_runner_picks_for_the_slot_of_each_row(module):
    states = States({3: [*PROMPT, 6, 6], 5: [*PROMPT, 40]})
    config = SimpleNamespace(
        speculative_config=None, model_config=SimpleNamespace(tokenizer=str(FOLDER))
    )
    made = module.PickedSlots(config, states)
    slots = {3: PENALISED, 1: NEUTRAL, 5: HELD, 6: DRAWN}
    taken = [made.add_request(slot, params(module, request)) for slot, request in slots.items()]
    assert taken == [True, False, True, True]

    def context(lengths, last_ids):
        return SimpleNamespace(
            idx_mapping_np=np.array([5, 1, 3, 6]),
            seq_lens_upper_bound_np=np.array(lengths),
            input_ids=torch.tensor(last_ids),
        )

    values = logits(4)
    first = expected(values, (0, HELD, [40]), (2, PENALISED, [6, 6]), (3, DRAWN, [0] * 5))
    got = made.apply(values.clone(), context([5, 4, 6, 9], [40, 7, 6, 0]))
    assert torch.equal(got, first)
    second = expected(values, (0, HELD, [40, 50]), (2, PENALISED, [6, 6, 9]), (3, DRAWN, [0] * 6))
    got = made.apply(values.clone(), context([6, 5, 7, 10], [50, 7, 9, 0]))
    assert torch.equal(got, second)
    for slot in (3, 5, 6):  # a slot's next request is greedy
        assert not made.add_request(slot, params(module, NEUTRAL))
    assert torch.equal(made.apply(values.clone(), context([1] * 4, [0] * 4)), values)


def test_what_is_sent_tells_no_probabilities_and_names_nothing_but_our_data(module):
    grammars = module._Grammars(None)
    assert module.picking_arguments(asked(top_logprobs=2), [END]) is None
    made = grammars.picking_of(params(module, asked(temperature=1.0, top_logprobs=2)))
    assert (made.draw.temperature, made.top_logprobs) == (1.0, None)
    hostile = SimpleNamespace(extra_args={"picking": pickle.dumps(Path("/"))})
    with pytest.raises(pickle.UnpicklingError, match="data of models alone, got pathlib"):
        grammars.picking_of(hostile)
    dotted = b"\x80\x04\x8c\x19models.engines.mask_maker\x8c\x0esubprocess.run\x93."
    with pytest.raises(pickle.UnpicklingError, match="data of models alone, got models"):
        grammars.picking_of(SimpleNamespace(extra_args={"picking": dotted}))


def test_speculative_decoding_is_refused_by_name(module):
    with pytest.raises(ValueError, match="speculative decoding"):
        module.PickedSlots(SimpleNamespace(speculative_config=object()), None)


def test_each_runner_finds_its_class_by_name(module):
    for is_second, kind in ((False, module.PickedBatch), (True, module.PickedSlots)):
        name = module.processor_name(uses_second_runner=is_second)
        assert name == f"models.engines.vllm_picking:{kind.__name__}"
