"""Whatever a model would write, an answer that is held to a schema fits it when it ends."""

import json
import random

import jsonschema
import numpy as np
import pytest
from tokenizers import Tokenizer

from models.constraints import JsonSchema
from models.engines.masks import unpack
from tests.models.test_masks import END, SIZE, TOKENIZER, encode
from tests.models.tool_schemas import TOOL_SCHEMAS

NUM_ANSWERS = 200
# A writer without sense has to close what it has opened, or its strings would never end.
CLOSING = ('"', "@", "}", "]", ",")
NUM_FREE = 40


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(TOKENIZER))


@pytest.fixture(scope="module")
def maker():
    from models.engines.mask_maker import MaskMaker

    return MaskMaker(TOKENIZER.read_text(), encode, end_id=END, vocabulary_size=SIZE)


def next_id(dice, allowed, closing, num_written):
    may_come = unpack(allowed, SIZE)
    ends = next((e for one in closing if (e := np.flatnonzero(may_come & one)).size), may_come[:0])
    closes = ends.size and (num_written > NUM_FREE or dice.random() < 0.4)
    return int(dice.choice(ends if closes else np.flatnonzero(may_come)))


async def test_200_of_200_answers_fit_their_schemas_though_every_tenth_moves_at_each_token(
    maker, tokenizer
):
    assert len(TOOL_SCHEMAS) == 30
    texts = [tokenizer.decode([token_id], skip_special_tokens=False) for token_id in range(SIZE)]
    closing = [np.array([text.startswith(one) for text in texts]) for one in CLOSING]
    closing[0][END] = True
    schemas = list(TOOL_SCHEMAS.values())
    for number in range(NUM_ANSWERS):
        schema = schemas[number % len(schemas)]
        constraint = JsonSchema(schema=json.dumps(schema))
        dice, ids = random.Random(number), []
        mask = await maker.mask(constraint)
        while (token_id := next_id(dice, mask.allowed(ids), closing, len(ids))) != END:
            ids.append(token_id)
            assert len(ids) < 2000, tokenizer.decode(ids)[:300]
            if number % 10 == 0:  # the replica is lost: another begins from the delivered ids
                mask = await maker.mask(constraint)
                mask.check(ids)
        answer = json.loads(tokenizer.decode(ids, skip_special_tokens=True))
        jsonschema.validate(answer, schema)
