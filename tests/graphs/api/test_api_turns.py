"""Chats as other programs keep them: what of their turns reaches the pipeline."""

import pytest

ASKED = {"role": "user", "content": "Which port?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
CLOCK = {"role": "tool", "tool_call_id": "c1", "content": "12:30"}
BROKEN = '{"arguments": "{"}'
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "x"}]}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
EARLIER = [{"role": "user", "content": "Time?"}, {"role": "assistant", "content": "Noon."}]


async def turns_of(api_http, api_pipeline, messages):
    body = {"model": "rag", "messages": messages}
    reply = await api_http.post("/v1/chat/completions", json=body)
    assert reply.status_code == 200, reply.text
    return [(turn.role, turn.text) for turn in api_pipeline.requests[-1].messages]


LAST = ("user", "Which port?")
TIME = [("user", "Time?"), ("assistant", "Noon.")]


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        ([*EARLIER, ASKED, CALLING], [*TIME, LAST]),
        ([*EARLIER, CLOCK, ASKED, CALLING, CLOCK | {"tool_call_id": "c2"}], [*TIME, LAST]),
        ([CALLING | {"content": ""}, CALLING | {"content": []}, ASKED], [LAST]),
        ([{"role": "assistant", "tool_calls": [{"id": 5}]}, ASKED], [LAST]),
        (
            [
                {"role": "assistant", "content": None, "function_call": {"name": "f"}},
                {"role": "function", "name": "g", "content": "1"},
                ASKED,
            ],
            [LAST],
        ),
        ([{"role": "tool"}, {"role": "function", "content": {"a": 1}}, ASKED], [LAST]),
        ([ASKED, ASKED], [LAST, LAST]),
        ([{"role": "user", "content": " "}, ASKED], [LAST]),
        ([{"role": "user", "content": None}, ASKED], [LAST]),
        ([{"role": "assistant", "content": None, "audio": {"id": "a"}}, ASKED], [LAST]),
        (
            [{"role": "user", "content": [IMAGE, {"type": "text", "text": "This?"}]}, ASKED],
            [("user", "This?"), LAST],
        ),
        (
            [{"role": "assistant", "content": None, "refusal": "I will not."}, ASKED],
            [("assistant", "I will not."), LAST],
        ),
        (
            [
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "Not me."}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": "Or so."}]},
                ASKED,
            ],
            [("assistant", "Not me."), ("assistant", "Or so."), LAST],
        ),
        ([ASKED, {"role": "system", "content": "Be brief."}], [("system", "Be brief."), LAST]),
        ([ASKED, {"role": "developer", "content": [{"type": "text"}]}], [LAST]),
        ([ASKED | {"name": "someone"}, {"role": "assistant", "content": ""}], [LAST]),
        ([{"role": "user", "content": [{"type": "input_text", "text": "Which port?"}]}], [LAST]),
    ],
)
async def test_what_cannot_enter_of_a_chat_is_left_out(api_http, api_pipeline, messages, turns):
    assert await turns_of(api_http, api_pipeline, messages) == turns


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([ASKED, *EARLIER], "messages[2]"),
        ([ASKED, {"role": "user", "content": ""}], "messages[1]"),
        ([CALLING, CLOCK], "messages[1]"),
        ([ASKED, CALLING, CLOCK, EARLIER[1]], "messages[3]"),
        ([ASKED, {"role": "user", "content": [{"type": "text"}]}, CLOCK], "messages[1]"),
        ([ASKED, {"role": "user", "content": [IMAGE]}], "messages[1].content[0].type"),
        ([ASKED, {"role": "critic", "content": "?"}], "messages[1]"),
    ],
)
async def test_a_chat_without_a_last_question_is_refused(api_http, api_pipeline, messages, param):
    body = {"model": "rag", "messages": messages}
    reply = await api_http.post("/v1/chat/completions", json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
    assert api_pipeline.requests == []


def call(name="clock", arguments="{}", call_id="c1"):
    return ("assistant", "", ((call_id, name, arguments),))


def result(text, call_id="c1"):
    return ("tool", text, call_id)


def seen(turn):
    calls = tuple((one.id, one.name, one.arguments) for one in turn.tool_calls)
    return (turn.role, turn.text, calls or turn.tool_call_id)


def calling(*functions, content=None, **fields):
    calls = [{"id": f"c{n}", "function": one} | fields for n, one in enumerate(functions, start=1)]
    return {"role": "assistant", "content": content, "tool_calls": calls}


TWO = calling({"name": "clock"}, {"name": "sum", "arguments": {"n": [1, "é"]}})
BOTH = ("assistant", "", (("c1", "clock", "{}"), ("c2", "sum", '{"n": [1, "é"]}')))
NOON = {"role": "tool", "tool_call_id": "c1", "content": "Noon"}
THREE = {"role": "tool", "tool_call_id": "c2", "content": {"sum": 3}}


@pytest.mark.parametrize(
    ("turns", "exchange"),
    [
        ([CALLING, CLOCK], [call(arguments=BROKEN), result("12:30")]),
        ([CALLING | {"content": ""}, CLOCK], [call(arguments=BROKEN), result("12:30")]),
        ([calling({"name": "clock"}), CLOCK | {"content": None}], [call(), result("")]),
        ([calling({"name": "clock", "arguments": ""}), NOON], [call(), result("Noon")]),
        ([calling({"name": "clock", "arguments": None}), NOON], [call(), result("Noon")]),
        ([calling({"name": "clock", "arguments": "[1]"}), NOON],
         [call(arguments='{"arguments": [1]}'), result("Noon")]),
        ([TWO, NOON, THREE], [BOTH, result("Noon"), result('{"sum": 3}', "c2")]),
        ([TWO, THREE, NOON], [BOTH, result('{"sum": 3}', "c2"), result("Noon")]),
        ([TWO, {"role": "tool", "content": "a"}, {"role": "tool", "content": "b"}],
         [BOTH, result("a"), result("b", "c2")]),
        ([TWO, {"role": "tool", "name": "sum", "content": "3"}, NOON],
         [BOTH, result("3", "c2"), result("Noon")]),
        ([calling({"name": "clock"}), NOON, TWO, NOON, THREE],
         [call(), result("Noon"), ("assistant", "", (("call_2", "clock", "{}"), BOTH[2][1])),
          result("Noon", "call_2"), result('{"sum": 3}', "c2")]),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "clock"}}]},
          {"role": "tool", "content": [{"type": "text", "text": "a"}, {"text": "b", "type": "x"}]}],
         [call(call_id="call_1"), result("a\nb", "call_1")]),
        ([calling({"name": "clock"}), CLOCK | {"content": [RESULT]}],
         [call(), result('[{"type": "tool_result", "tool_use_id": "c1", '
                         '"content": [{"type": "text", "text": "x"}]}]')]),
        ([{"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
          {"role": "function", "name": "f", "content": "1"}],
         [call("f", call_id="call_1"), result("1", "call_1")]),
        ([calling({"name": "clock"}, content=[{"type": "text", "text": "Let me see."}]), NOON],
         [("assistant", "Let me see.", call()[2]), result("Noon")]),
        ([calling({"name": "clock"}, {"name": ""}, {"x": 1}), NOON], [call(), result("Noon")]),
        ([TWO, NOON], [call(), result("Noon")]),
    ],
)  # fmt: skip
async def test_calls_and_results_are_read_however_a_client_keeps_them(
    api_http, api_pipeline, turns, exchange
):
    assert await turns_of(api_http, api_pipeline, [*EARLIER, ASKED, *turns]) == [*TIME, LAST]
    assert [seen(turn) for turn in api_pipeline.requests[-1].exchange] == exchange
    await turns_of(api_http, api_pipeline, [*EARLIER, ASKED, *turns, EARLIER[1], ASKED])
    before = [seen(turn) for turn in api_pipeline.requests[-1].messages]
    assert before[3:-2] == exchange
    assert api_pipeline.requests[-1].exchange == ()


async def test_thoughts_that_a_client_sends_back_are_kept_with_their_turn(api_http, api_pipeline):
    thinking = calling({"name": "clock"}) | {"reasoning_content": "I need the time."}
    await turns_of(api_http, api_pipeline, [ASKED, thinking, NOON])
    assert api_pipeline.requests[-1].exchange[0].thoughts == "I need the time."
