"""The comparison of two OpenAPI descriptions, over small ones."""

import json

import pytest

from benchmarks import conformance
from benchmarks.conformance import Description, Walk, table


def described(request, *, reply=None, parameters=(), components=None):
    schemas = components or {}
    operation = {
        "tags": ["Chat"],
        "parameters": list(parameters),
        "requestBody": {"content": {"application/json": {"schema": request}}},
        "responses": {"200": {"content": {"application/json": {"schema": reply or {}}}}},
    }
    return Description(
        {"paths": {"/v1/chat/{id}": {"post": operation}}, "components": {"schemas": schemas}}
    )


def problems(theirs, ours):
    return Walk(theirs, ours).scores()["Chat"].problems


def of(**properties):
    return {"type": "object", "properties": properties}


TEXT, NULL = {"type": "string"}, {"type": "null"}


@pytest.mark.parametrize(
    ("theirs", "ours", "problem"),
    [
        (of(a=TEXT), of(b=TEXT), "a: missing"),
        (of(a=TEXT), of(a={"anyOf": [TEXT, NULL]}), "type ['string'] is []; union of 0 is one"),
        (of(a={"enum": ["x", "y"]}), of(a={"enum": ["x"]}), "values ['y'] are missing"),
        (of(a={"default": 1}), of(a={}), "default 1 is None"),
        (of(a=of(b=TEXT)), of(a=of(b={"type": "integer"})), "a.b: type ['string'] is ['integer']"),
        (of(a={"items": of(b=TEXT)}), of(a={"items": of(c=TEXT)}), "a[].b: missing"),
    ],
)
def test_a_difference_is_told(theirs, ours, problem):
    (told,) = problems(described(theirs), described(ours))
    assert told.startswith("POST /chat/{} request.")
    assert problem in told


def test_the_same_in_other_words_is_no_difference():
    named = {"Text": TEXT}
    theirs = described(
        of(a={"oneOf": [{"$ref": "#/components/schemas/Text"}, NULL]}), components=named
    )
    ours = described(of(a={"anyOf": [NULL, TEXT | {"title": "A"}]}, extra=TEXT))
    assert problems(theirs, ours) == []


def test_parameters_are_compared():
    sent = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
    theirs = described({}, parameters=[sent, sent | {"name": "after"}])
    assert problems(theirs, described({}, parameters=[sent])) == [
        "POST /chat/{} query after: missing"
    ]


def test_the_table_has_a_line_for_each_group_and_all(tmp_path, monkeypatch, capsys):
    document = described(of(a=TEXT, b=TEXT))._document
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    monkeypatch.setattr(conformance, "our_description", lambda: described(of(a=TEXT))._document)
    monkeypatch.setattr("sys.argv", ["conformance", str(path), "--problems"])
    conformance.main()
    out = capsys.readouterr().out
    assert "| Chat | 2 | 1 | 50.0 | 98.5 |" in out
    assert "| all | 2 | 1 | 50.0 | 91.7 |" in out
    assert "Chat: POST /chat/{} request.b: missing" in out
    assert table({}).count("\n") == 2
