"""What the table by engine tells is what the engines' requests are held to."""

from dataclasses import fields
from types import SimpleNamespace

import pytest

from graphs.api.engine_fields import ENGINES, asked_names, section
from models.constraints import JSON_OBJECT, Sampling
from models.engines.settling import OF_DRAWS, check_request
from models.errors import InvalidInputError
from models.generation import GenerationRequest

# A value of each field that says something.
VALUES = {
    "temperature": 0.5, "top_p": 0.5, "top_k": 5, "seed": 3, "min_p": 0.1, "presence_penalty": 0.5,
    "frequency_penalty": 0.5, "repetition_penalty": 1.5, "logit_bias": ((5, 1.0),),
    "stop_token_ids": (5,), "ignore_eos": True, "min_tokens": 2, "priority": 1, "stop": ("END",),
    "top_logprobs": 2,
}  # fmt: skip
OF_REQUEST = {"constraint": JSON_OBJECT, "tools": SimpleNamespace()}
NOBODYS = {"max_tokens", "rank", "seed_is_drawn"}  # no engine may refuse them


def refusal(asked, unserved):
    """What a request is refused with that asks for one thing alone; None: it is taken."""
    sampling = Sampling(**{asked: VALUES[asked]}) if asked in VALUES else Sampling()
    more = {asked: OF_REQUEST[asked]} if asked in OF_REQUEST else {}
    request = GenerationRequest(request_id="r", messages=(), sampling=sampling, **more)
    usual = SimpleNamespace(temperature=1.0 if asked in OF_DRAWS else 0.0)
    engine = SimpleNamespace(unserved=unserved)
    try:
        check_request(request, engine, usual, name="e", vocabulary_size=6144)
    except InvalidInputError as err:
        return str(err)
    return None


@pytest.mark.parametrize("engine", ENGINES)
def test_what_the_table_tells_is_what_becomes_of_a_request(engine):
    lines = section()
    column = 2 + list(ENGINES).index(engine)
    for asked, names in asked_names().items():
        (row,) = [line.split(" | ") for line in lines if line.startswith(f"| `{names[0]}`")]
        told = row[column - 1].removesuffix(" |")
        said = refusal(asked, ENGINES[engine]) if asked != "n" else None
        assert told.startswith("honoured" if said is None else "refused"), (asked, told, said)
        if said is not None:
            number = told.rpartition("(")[2].removesuffix(")")
            (why,) = [line for line in lines if line.startswith(f"{number}. ")]
            assert said.endswith(f": {why.removeprefix(f'{number}. ')}")


def test_every_field_of_sampling_is_in_the_table():
    assert {one.name for one in fields(Sampling)} - NOBODYS == set(VALUES)
    assert {*VALUES, *OF_REQUEST, "n"} == set(asked_names())
    assert all(set(refused) <= set(asked_names()) for refused in ENGINES.values())
