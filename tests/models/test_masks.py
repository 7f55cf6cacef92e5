"""A mask is a pure function of the answer's ids."""

import asyncio
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from models.constraints import JSON_OBJECT, Choices, Grammar, JsonSchema, Regex
from models.engines import mask_maker
from models.engines.mask_maker import MaskMaker
from models.engines.masks import pack, unpack
from models.errors import InvalidInputError

END, SIZE = 1, 6144
TOKENIZER = Path(__file__).parents[2] / "models/bundled/generator-full/tokenizer.json"
PORT = JsonSchema(
    schema=json.dumps(
        {
            "type": "object",
            "properties": {"port": {"type": "integer"}, "host": {"enum": ["a", "ü"]}},
            "required": ["port", "host"],
            "additionalProperties": False,
        }
    )
)
WRITTEN = '{"port": 80, "host": "ü"}'


def encode(texts):
    return [[ord(char) for char in text] for text in texts]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(TOKENIZER))


@pytest.fixture
def maker():
    return MaskMaker(TOKENIZER.read_text(), encode, end_id=END, vocabulary_size=SIZE)


def ids_of(mask, answer_ids):
    return np.flatnonzero(unpack(mask.allowed(answer_ids), SIZE)).tolist()


def test_packing_and_unpacking_give_the_same_ids():
    packed = pack({0, 31, 32, 100}, 101)
    assert (packed.dtype, packed.shape) == (np.int32, (4,))
    assert np.flatnonzero(unpack(np.stack([packed, packed]), 101)[1]).tolist() == [0, 31, 32, 100]


async def test_an_answer_may_begin_with_any_choice_and_after_a_space(maker):
    mask = await maker.mask(Choices(texts=("ab", "ac", "b")))
    assert ids_of(mask, []) == sorted(map(ord, " ab"))


async def test_it_goes_on_with_those_that_begin_like_it_and_then_ends(maker):
    mask = await maker.mask(Choices(texts=("ab", "ac", "abd")))
    assert ids_of(mask, encode(["a"])[0]) == [ord("b"), ord("c")]
    assert ids_of(mask, encode(["ab"])[0]) == [END, ord("d")]
    assert ids_of(mask, encode([" ac"])[0]) == [END]


async def test_what_is_no_choice_ends_and_is_refused(maker):
    mask = await maker.mask(Choices(texts=("ab",)))
    assert ids_of(mask, [ord("x")]) == [END]
    with pytest.raises(InvalidInputError, match="no choice"):
        mask.check([ord("x")])


def test_choices_of_nothing_are_refused():
    with pytest.raises(InvalidInputError, match="got 0"):
        Choices(texts=())


@pytest.mark.parametrize(
    ("constraint", "text", "wrong"),
    [
        (PORT, WRITTEN, '{"port": "'),
        (JSON_OBJECT, '{"a": [1, {"b": null}]}', "["),
        (Regex(pattern="[0-9]{2,4}-x"), "123-x", "1-"),
        (Grammar(rules='root ::= "yes" | "no" " " root'), "no no yes", "maybe"),
        (Grammar(rules='start: "a" start | "b"'), "aaab", "ba"),
    ],
)
async def test_an_answer_keeps_to_its_grammar_and_may_end_only_when_complete(
    maker, tokenizer, constraint, text, wrong
):
    mask = await maker.mask(constraint)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    for size, token_id in enumerate(ids):
        assert token_id in ids_of(mask, ids[:size])
        assert END not in ids_of(mask, ids[:size])
    assert END in ids_of(mask, ids)
    mask.check(ids)
    bad = tokenizer.encode(wrong, add_special_tokens=False).ids
    assert ids_of(mask, bad) == [END]
    with pytest.raises(InvalidInputError, match="constraint failed"):
        mask.check(bad)
    assert END in ids_of(mask, ids)  # and it begins again


async def test_a_mask_replays_from_any_ids_in_any_order(maker, tokenizer):
    ids = tokenizer.encode(WRITTEN, add_special_tokens=False).ids
    going_on = await maker.mask(PORT)
    forward = [ids_of(going_on, ids[:size]) for size in range(len(ids) + 1)]
    for size in (5, 2, len(ids), 0, 7):
        fresh = await maker.mask(PORT)
        assert ids_of(fresh, ids[:size]) == ids_of(going_on, ids[:size]) == forward[size]


def nested(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return json.dumps(schema)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: JsonSchema(schema=nested(100)), "at most 64 levels deep, got 101"),
        (lambda: JsonSchema(schema='{"a":' * 9000 + "1" + "}" * 9000), "must be JSON"),
        (lambda: JsonSchema(schema=json.dumps({"enum": ["x" * 70_000]})), "65536 characters"),
        (lambda: JsonSchema(schema="{"), "must be JSON"),
        (lambda: JsonSchema(schema="[]"), "must be an object"),
        (lambda: Regex(pattern=""), "got 0"),
        (lambda: Grammar(rules="a" * 70_000), "65536 characters, got 70000"),
    ],
)
def test_what_is_too_long_or_no_schema_is_refused_at_once(make, named):
    with pytest.raises(InvalidInputError, match=named):
        make()


def exponential(lengths):
    patterns = [f"^(a|b)*a(a|b){{{length}}}$" for length in lengths]
    return {"allOf": [{"type": "string", "pattern": pattern} for pattern in patterns]}


def referring(levels):
    """Each level has ten of the next one: 10^20 properties if they were written out."""
    below = [
        {"a" + str(n): {"$ref": f"#/$defs/l{level + 1}"} for n in range(10)}
        for level in range(levels)
    ]
    definitions = {
        f"l{level}": {"allOf": [{"properties": one}, {"properties": one}]}
        for level, one in enumerate(below)
    }
    definitions[f"l{levels}"] = exponential(range(5, 25))
    return {"$defs": definitions, "$ref": "#/$defs/l0"}


BOMBS = {
    "exponential patterns": JsonSchema(schema=json.dumps(exponential(range(5, 25)))),
    "endless recursion": JsonSchema(schema='{"$ref": "#"}'),
    "a foreign reference": JsonSchema(schema='{"$ref": "http://localhost/x"}'),
    "an unknown keyword": JsonSchema(schema='{"type": "object", "not": {"required": ["a"]}}'),
    "nested references": JsonSchema(schema=json.dumps(referring(20))),
    "an open bracket": Regex(pattern="(a"),
    "a look-ahead": Regex(pattern="(?=a)b"),
    "open brackets": Grammar(rules="root ::= " + "(" * 5000),
    "many maybes": Grammar(rules="start: " + " ".join(['"a"?'] * 6000)),
    "no rules": Grammar(rules=" "),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_a_hostile_constraint_is_refused_and_holds_up_nobody(maker, bomb, monkeypatch):
    checked, went_on = mask_maker._checked, threading.Event()

    def held(kind, text):
        assert went_on.wait(20), "the event loop stands still"
        return checked(kind, text)

    monkeypatch.setattr(mask_maker, "_checked", held)
    task = asyncio.create_task(maker.mask(bomb))
    num_turns = 0
    while not task.done():
        await asyncio.sleep(0.001)
        num_turns += 1
        if num_turns > 10:
            went_on.set()
    with pytest.raises(InvalidInputError, match=f"the {bomb.kind} cannot be served"):
        await task
    with pytest.raises(InvalidInputError):  # known by now, and not tried again
        await maker.mask(bomb)
