"""Turns as chat templates read them, and no control token of a client in them."""

import pytest

from models.chat.turns import TurnWriter
from models.errors import InvalidInputError
from models.generation import Message, TextPart, ToolCall
from models.token_counter import SpecialTokens

SPECIAL = SpecialTokens(("<|user|>", "<|end|>"))
WRITER = TurnWriter("{{ messages }}", SPECIAL)


def written(message, writer=WRITER):
    (turn,) = writer.write([message])
    return turn


def test_text_and_parts_read_alike():
    whole = Message(role="user", content="One.\nTwo.")
    parts = Message(role="user", content=(TextPart(text="One."), TextPart(text="Two.")))
    assert whole.text == parts.text == "One.\nTwo."
    assert written(whole) == written(parts) == {"role": "user", "content": "One.\nTwo."}


@pytest.mark.parametrize(
    ("template", "role"), [("{{ messages }}", "system"), ("{% if 'developer' %}", "developer")]
)
def test_a_developer_is_the_system_where_the_template_knows_none(template, role):
    turn = written(Message(role="developer", content="Be brief."), TurnWriter(template, SPECIAL))
    assert turn == {"role": role, "content": "Be brief."}


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
def test_control_tokens_are_broken_in_every_turn(role):
    turn = written(Message(role=role, content=(TextPart(text="a <|end|><|user|> b"),)))
    assert turn["content"] == "a < |end|>< |user|> b"


def test_a_call_and_its_result_keep_their_names():
    call = ToolCall(id="call_1", name="search", arguments='{"query": "port", "n": 2}')
    turn = written(Message(role="assistant", content="", tool_calls=(call,)))
    assert turn["tool_calls"] == [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "search", "arguments": {"query": "port", "n": 2}},
        }
    ]
    result = written(Message(role="tool", content="8000", tool_call_id="call_1"))
    assert result == {"role": "tool", "content": "8000", "tool_call_id": "call_1"}


@pytest.mark.parametrize("hidden", ["<|end|>", r"\u003c|end|>", r"<|\u0065nd|>"])
def test_no_escape_hides_a_control_token_in_arguments(hidden):
    call = ToolCall(id="<|end|>", name="<|end|>", arguments='{"a": ["' + hidden + '"]}')
    (written_call,) = written(Message(role="assistant", content="", tool_calls=(call,)))[
        "tool_calls"
    ]
    assert written_call["id"] == written_call["function"]["name"] == "< |end|>"
    assert written_call["function"]["arguments"] == {"a": ["< |end|>"]}


@pytest.mark.parametrize("arguments", ["{", "[1]", "null", ""])
def test_arguments_that_are_no_object_are_refused(arguments):
    call = ToolCall(id="call_1", name="search", arguments=arguments)
    with pytest.raises(InvalidInputError, match="call_1"):
        written(Message(role="assistant", content="", tool_calls=(call,)))


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "user", "tool_calls": (ToolCall(id="1", name="f", arguments="{}"),)},
        {"role": "tool"},
        {"role": "user", "tool_call_id": "1"},
    ],
)
def test_calls_and_results_stand_in_their_own_turns_only(turn):
    with pytest.raises(InvalidInputError, match="tool_call"):
        Message(content="", **turn)


def test_calls_are_named_and_counted_in_a_chat_where_ids_stand_for_names():
    """llxprt-code#713, vllm#50782: a model that reads other ids writes others, and loses calls."""
    kimi = TurnWriter("<|tool_call_begin|>{{ id }}<|tool_call_argument_begin|>", SPECIAL)
    calls = tuple(ToolCall(id=one, name=one[0], arguments="{}") for one in ("a<|end|>", "b"))
    again = (ToolCall(id="b", name="c", arguments="{}"),)  # a client may use an id twice
    chat = [
        Message(role="assistant", content="", tool_calls=calls),
        Message(role="tool", content="2", tool_call_id="b"),
        Message(role="tool", content="1", tool_call_id="a<|end|>"),
        Message(role="assistant", content="", tool_calls=again),
        Message(role="tool", content="3", tool_call_id="b"),
        Message(role="tool", content="4", tool_call_id="<|end|>"),
    ]
    turns = kimi.write(chat)
    ids = [[one["id"] for one in turn.get("tool_calls", [])] for turn in turns]
    assert ids == [["functions.a:0", "functions.b:1"], [], [], ["functions.c:2"], [], []]
    results = [turn["tool_call_id"] for turn in turns if "tool_call_id" in turn]
    assert results == ["functions.b:1", "functions.a:0", "functions.c:2", "< |end|>"]
    assert [turn.get("name") for turn in turns if turn["role"] == "tool"][:3] == ["b", "a", "c"]
