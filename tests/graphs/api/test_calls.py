from graphs.api.chat.calls import CallsOfChat


def call(**fields):
    return {"function": {"name": "find", "arguments": "{}"}, **fields}


def test_no_two_calls_of_a_chat_share_an_id():
    calls = CallsOfChat()
    first = calls.read([call(id="call_2"), call(), call(id="x"), call(id="x")], None)
    second = calls.read([call(id="x"), call(id="call_1")], None)
    ids = [one.id for one in (*first, *second)]
    assert len(set(ids)) == len(ids) == 6
    assert ids[0] == "call_2"
    assert ids[2] == "x"


def test_a_result_belongs_to_the_call_of_its_id_whatever_that_became():
    calls = CallsOfChat()
    first, second = calls.read([call(id="x"), call(id="x")], None)
    assert [calls.result("r", "x").tool_call_id for _ in range(2)] == [first.id, second.id]
