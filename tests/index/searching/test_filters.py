import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import InvalidFilterError
from index.searching.filters import matches, parse_filter

EN = {"lang": "en", "year": 2024, "draft": False}


@pytest.mark.parametrize(
    ("operator", "key", "value", "passes"),
    [
        ("eq", "lang", "en", True),
        ("eq", "year", 2024.0, True),
        ("eq", "draft", 0, False),  # a boolean is not a number
        ("eq", "year", "2024", False),
        ("eq", "none", "en", False),
        ("ne", "lang", "de", True),
        ("ne", "none", "en", True),
        ("gt", "year", 2024, False),
        ("gte", "year", 2024, True),
        ("lt", "year", 2025, True),
        ("lte", "year", 2023, False),
        ("lt", "lang", "fr", True),
        ("gt", "lang", 1, False),
        ("lt", "none", 1, False),
        ("lt", "draft", 1, False),
        ("in", "lang", ["de", "en"], True),
        ("in", "lang", [], False),
        ("in", "draft", [0], False),
        ("nin", "lang", ["de"], True),
        ("nin", "none", ["de"], True),
    ],
)
def test_a_comparison_says_whether_a_file_passes(operator, key, value, passes):
    assert matches(parse_filter({"type": operator, "key": key, "value": value}), EN) is passes


@given(st.lists(st.booleans(), min_size=1, max_size=5), st.sampled_from(["and", "or"]))
def test_a_compound_joins_its_parts(truths, kind):
    parts = [{"type": "eq", "key": "year", "value": 2024 if truth else 0} for truth in truths]
    expected = all(truths) if kind == "and" else any(truths)
    assert matches(parse_filter({"type": kind, "filters": parts}), EN) is expected


def nested(depth: int) -> dict:
    spec = {"type": "eq", "key": "k", "value": 1}
    for _ in range(depth - 1):
        spec = {"type": "and", "filters": [spec]}
    return spec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([], "must be an object, got list"),
        ({}, "got None"),
        ({"type": "like", "key": "k", "value": "v"}, "got 'like'"),
        ({"type": ["eq"], "key": "k", "value": "v"}, "got \\['eq'\\]"),
        ({"type": "eq", "key": 1, "value": "v"}, "`key`"),
        ({"type": "eq", "key": "k"}, "got None"),
        ({"type": "eq", "key": "k", "value": ["v"]}, "a string, a number or a boolean"),
        ({"type": "gt", "key": "k", "value": True}, "a string or a number"),
        ({"type": "in", "key": "k", "value": "v"}, "must be a list"),
        ({"type": "in", "key": "k", "value": list(range(1001))}, "at most 1000"),
        ({"type": "and", "filters": []}, "not empty"),
        ({"type": "and", "filters": [nested(1)] * 65}, "at most 64 comparisons, got 65"),
        (nested(9), "at most 8 deep"),
    ],
)
def test_a_filter_without_meaning_is_refused(spec, message):
    with pytest.raises(InvalidFilterError, match=message):
        parse_filter(spec)


def test_the_deepest_filter_that_is_allowed_is_read():
    assert not matches(parse_filter(nested(8)), EN)
