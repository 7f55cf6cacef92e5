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
    ],
)
def test_those_of_the_settings_come_with_the_tokenizers_own_first(tmp_path, told, ids):
    if told is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(told))
    assert end_ids_of(tmp_path, SimpleNamespace(eos_token_id=7)) == ids


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
