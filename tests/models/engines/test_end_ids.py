"""The ids that end an answer, as checkpoints tell them."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from models.constraints import Grammar
from models.engines.end_ids import end_ids_of
from models.engines.mask_maker import MaskMaker
from models.engines.masks import unpack

FULL = Path(__file__).parents[3] / "models/bundled/generator-full"


@pytest.mark.parametrize(
    ("told", "ids"),
    [
        (None, (7,)),
        ({}, (7,)),
        ({"eos_token_id": 7}, (7,)),
        ({"eos_token_id": [1, 7, 50]}, (7, 1, 50)),
        ({"eos_token_id": 8}, (8,)),  # engines do not end with the tokenizer's
        ({"eos_token_id": [7, 999, -1, 7, 3]}, (7, 3)),  # no id of the vocabulary, or twice
        ({"eos_token_id": 999}, (7,)),
    ],
)
def test_those_of_the_settings_come_with_the_tokenizers_own_first(tmp_path, told, ids):
    if told is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(told))
    assert end_ids_of(tmp_path, SimpleNamespace(eos_token_id=7), 100) == ids


@pytest.mark.parametrize("config", [{"eos_token_id": 9}, {"text_config": {"eos_token_id": 9}}])
def test_without_generation_settings_the_models_own_count_as_for_its_engine(tmp_path, config):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"} | config))
    assert end_ids_of(tmp_path, SimpleNamespace(eos_token_id=7), 100) == (9,)


async def test_a_text_may_end_with_any_of_them():
    maker = MaskMaker(
        (FULL / "tokenizer.json").read_text(), lambda texts: [], end_id=1, vocabulary_size=6144,
        more_end_ids=(22, 23),
    )  # fmt: skip
    mask = await maker.mask(Grammar(rules="start: TEXT\nTEXT: /a?/\n"))
    allowed = np.flatnonzero(unpack(mask.allowed([]), 6144)).tolist()
    assert {1, 22, 23} < set(allowed)
    assert np.flatnonzero(unpack(mask.allowed([22]), 6144)).tolist() == [1, 22, 23]
    mask.check([22])
