"""Chats as other programs keep them: what of their turns reaches the pipeline."""

import pytest

ASKED = {"role": "user", "content": "Which port?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
CLOCK = {"role": "tool", "tool_call_id": "c1", "content": "12:30"}
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
        ([EARLIER[0], CALLING, CLOCK, EARLIER[1], ASKED], [*TIME, LAST]),
        ([*EARLIER, ASKED, CALLING, CLOCK], [*TIME, LAST]),
        ([*EARLIER, ASKED, CALLING, CLOCK | {"content": [RESULT]}], [*TIME, LAST]),
        ([CALLING | {"content": ""}, CALLING | {"content": []}, ASKED], [LAST]),
        ([{"role": "assistant", "tool_calls": [{"id": 5}]}, ASKED], [LAST]),
        (
            [
                {"role": "assistant", "content": None, "function_call": {"name": "f"}},
                {"role": "function", "name": "f", "content": "1"},
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
