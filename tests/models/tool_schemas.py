"""Arguments of thirty tools, in the shape in which well-known public APIs declare them."""

from typing import Any

Schema = dict[str, Any]


def _object(required: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def _list(items: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": items, **limits}


def _enum(values: str) -> Schema:
    return {"type": "string", "enum": values.split()}


TEXT: Schema = {"type": "string"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": 100}
DAY: Schema = {"type": "string", "format": "date"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
MAIL: Schema = {"type": "string", "format": "email"}
PLACE = _object("latitude longitude", latitude=NUMBER, longitude=NUMBER)
MONEY = _object("amount currency", amount={"type": "integer", "minimum": 0},
                currency=_enum("usd eur gbp jpy"))  # fmt: skip
FILTER: Schema = {
    "$defs": {
        "leaf": _object("key op value", key=TEXT, op=_enum("eq ne gt lt"),
                        value={"anyOf": [TEXT, NUMBER, FLAG]}),
        "node": {"anyOf": [
            {"$ref": "#/$defs/leaf"},
            _object("all", all=_list({"$ref": "#/$defs/node"}, minItems=1, maxItems=2)),
        ]},
    },
    "$ref": "#/$defs/node",
}  # fmt: skip

TOOL_SCHEMAS: dict[str, Schema] = {
    "get_weather": _object("location unit", location=TEXT, unit=_enum("celsius fahrenheit")),
    "get_current_time": _object("timezone", timezone=TEXT),
    "web_search": _object("query", query=TEXT, max_results=COUNT,
                          time_range=_enum("day week month year")),
    "fetch": _object("url", url=TEXT, max_length=COUNT, start_index={"type": "integer"}, raw=FLAG),
    "read_file": _object("path", path=TEXT, head=COUNT, tail=COUNT),
    "write_file": _object("path content", path=TEXT, content=TEXT),
    "edit_file": _object("path edits", path=TEXT, dry_run=FLAG, edits=_list(
        _object("old_text new_text", old_text=TEXT, new_text=TEXT), minItems=1, maxItems=2)),
    "search_files": _object("path pattern", path=TEXT, pattern=TEXT, exclude=_list(TEXT)),
    "create_issue": _object("owner repo title", owner=TEXT, repo=TEXT, title=TEXT, body=TEXT,
                            labels=_list(TEXT), assignees=_list(TEXT), milestone=COUNT),
    "list_commits": _object("owner repo", owner=TEXT, repo=TEXT, sha=TEXT, page=COUNT),
    "create_pull_request": _object("owner repo title head base", owner=TEXT, repo=TEXT, title=TEXT,
                                   head=TEXT, base=TEXT, draft=FLAG),
    "search_code": _object("q", q=TEXT, order=_enum("asc desc"), per_page=COUNT),
    "post_message": _object("channel text", text=TEXT,
                            channel={"type": "string", "pattern": "^[CG][A-Z0-9]{8}$"},
                            thread_ts={"type": "string", "pattern": r"^\d{10}\.\d{6}$"}),
    "add_reaction": _object("channel_id timestamp reaction", channel_id=TEXT, timestamp=TEXT,
                            reaction=_enum("thumbsup eyes tada")),
    "send_email": _object("to subject body", to=_list(MAIL, minItems=1, maxItems=2),
                          cc=_list(MAIL, maxItems=1), subject=TEXT, body=TEXT),
    "create_event": _object("summary start end", summary=TEXT, start=MOMENT, end=MOMENT,
                            attendees=_list(_object("email", email=MAIL, optional=FLAG),
                                            maxItems=2)),
    "list_events": _object("calendar_id", calendar_id=TEXT, time_min=MOMENT, single=FLAG),
    "create_payment": _object("amount customer", amount=MONEY, customer=TEXT,
                              methods=_list(_enum("card sepa_debit"), minItems=1, maxItems=2)),
    "list_invoices": _object("", customer=TEXT, status=_enum("draft open paid void"), limit=COUNT),
    "search_flights": _object("origin destination departure",
                              origin={"type": "string", "pattern": "^[A-Z]{3}$"},
                              destination={"type": "string", "pattern": "^[A-Z]{3}$"},
                              departure=DAY, adults={"type": "integer", "minimum": 1, "maximum": 9},
                              cabin=_enum("economy business first")),
    "book_hotel": _object("place check_in nights", place=PLACE, check_in=DAY, nights=COUNT),
    "directions": _object("origin destination mode", origin=PLACE, destination=PLACE,
                          mode=_enum("driving walking bicycling transit")),
    "geocode": _object("address", address=TEXT, language=MAYBE_TEXT),
    "run_query": _object("sql", sql=TEXT,
                         params=_list({"anyOf": [TEXT, NUMBER, {"type": "null"}]})),
    "execute_python": _object("code", code=TEXT, timeout_s={"type": "number", "minimum": 0}),
    "click": _object("selector", selector=TEXT, button=_enum("left right middle")),
    "computer": {"anyOf": [
        _object("action", action={"const": "screenshot"}),
        _object("action x y", action={"const": "click"}, x=COUNT, y=COUNT),
        _object("action text", action={"const": "type"}, text=TEXT),
    ]},
    "create_entities": _object("entities", entities=_list(
        _object("name kind observations", name=TEXT, kind=TEXT, observations=_list(TEXT)),
        minItems=1, maxItems=2)),
    "vector_search": FILTER,
    "extract_person": _object("name age email", name=TEXT,
                              email={"anyOf": [MAIL, {"type": "null"}]},
                              age={"type": "integer", "minimum": 0, "maximum": 150}),
}  # fmt: skip
