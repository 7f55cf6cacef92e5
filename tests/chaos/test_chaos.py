"""The chaos harness itself: its arithmetic, its proofs, its refusals, its load."""

import asyncio
import io
import json
import os
import signal
import subprocess

import pytest
from rich.console import Console

from chaos import processes
from chaos.arena import Arena
from chaos.errors import FaultNotProvenError, TargetError
from chaos.load import ChatCall, Load, Outcome, chat_calls, reconnecting
from chaos.report import Difference, Report, compare, difference, percentile
from chaos.runner import Runner
from chaos.scenarios.replica_scenarios import may_be_hit
from chaos.target import System, refuse_remote


def outcome(key="a", text="one two three", **changes):
    ended = {"is_done": True, "finish_reason": "length", "num_tokens": 3, "status": 200}
    pieces = [(float(index), f"{word} ") for index, word in enumerate(text.split())]
    return Outcome(key=key, sent_s=0.0, **{"pieces": pieces, **ended, **changes})


def test_a_percentile_is_one_of_the_values():
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, p) for p in (0, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError, match="got 0 values"):
        percentile([], 50)


@pytest.mark.parametrize(
    ("got", "num_lost", "num_doubled"),
    [
        ("a b c d", 0, 0),
        ("a c d", 1, 0),
        ("a b b c d", 0, 1),
        ("a b c d a b c d", 0, 4),
        ("a x c d", 1, 1),
        ("", 4, 0),
    ],
)
def test_words_lost_and_doubled_are_counted(got, num_lost, num_doubled):
    expected = Difference(num_lost=num_lost, num_doubled=num_doubled)
    assert difference("a b c d", got) == expected


def test_an_answer_is_exact_with_the_same_text_usage_and_end():
    control = [outcome("a"), outcome("b"), outcome("c")]
    found = compare(control, [outcome("a"), outcome("b", num_tokens=4), outcome("c", "one two")])
    assert (found.num_exact, found.num_compared, found.num_lost) == (1, 3, 1)
    assert found.differing == ("b", "c")


def test_a_failed_control_run_proves_nothing():
    with pytest.raises(ValueError, match="cannot serve"):
        compare([outcome(is_done=False)], [outcome()])


def test_a_stream_without_an_end_has_failed_however_much_came():
    assert outcome().succeeded
    assert not outcome(is_done=False).succeeded
    assert not outcome(finish_reason=None).succeeded
    assert outcome(text="a b", is_done=False).failure == "the stream ended without [DONE]"


def test_the_stall_is_the_longest_wait_between_two_pieces():
    assert outcome(pieces=[(1.0, "a"), (1.5, "b"), (4.0, "c")]).longest_stall_s == 2.5


def test_a_report_without_checks_has_not_passed():
    report = Report(scenario="none", seed=0)
    assert not report.passed
    report.check("one", passed=True, seen="")
    assert report.passed
    report.check("other", passed=False, seen="")
    assert not report.passed


@pytest.mark.parametrize("run", [[], [outcome()]], ids=["none", "one"])
def test_a_report_is_written_with_a_plot_of_its_requests_if_it_has_any(tmp_path, run):
    console = Console(file=io.StringIO())
    report = Report(scenario="corpus-kill", seed=0, run=run, figures={"missing": 0})
    system = System(url="", dashboard="", ray_address="", token_file=None)
    Runner(system, None, console).tell(report, tmp_path)
    assert json.loads((tmp_path / "corpus-kill.json").read_text())["missing"] == 0
    assert (tmp_path / "corpus-kill.png").exists() == bool(run)


def test_a_seed_repeats_the_requests_and_their_times():
    calls = [chat_calls(seed=seed, count=20, rate=5, max_tokens=9) for seed in (1, 1, 2)]
    assert calls[0] == calls[1] != calls[2]


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "localhost:6379", "http://[::1]:80"])
def test_local_addresses_need_no_consent(address):
    refuse_remote(address, is_allowed=False, is_allowed_again=False)


@pytest.mark.parametrize("address", ["http://10.0.0.7:8000", "ray-head:6379", "http://0.0.0.0", ""])
def test_other_addresses_need_two_consents(address):
    for consents in ((False, False), (True, False), (False, True)):
        with pytest.raises(TargetError, match="not on this machine"):
            refuse_remote(address, is_allowed=consents[0], is_allowed_again=consents[1])
    refuse_remote(address, is_allowed=True, is_allowed_again=True)


def test_the_command_refuses_a_remote_target(run_chaos, capsys):
    remote = ("--url", "http://10.0.0.7:8000", "--not-local")
    assert run_chaos(*remote) == 2
    assert "not on this machine" in capsys.readouterr().out.replace("\n", " ")


def test_the_command_fails_when_there_is_no_system(run_chaos, capsys):
    assert run_chaos("--dashboard", "http://127.0.0.1:9") == 2
    assert "does not answer" in capsys.readouterr().out.replace("\n", " ")


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.send_signal(signal.SIGCONT)
        process.kill()


def test_a_kill_is_proven(sleeper):
    processes.kill([sleeper.pid])
    assert processes.state_of(sleeper.pid) is None


def test_a_freeze_is_proven_and_ends(sleeper):
    processes.freeze(sleeper.pid)
    assert processes.state_of(sleeper.pid) == "T"
    processes.thaw(sleeper.pid)
    assert processes.state_of(sleeper.pid) in ("S", "R")


def test_a_fault_that_does_nothing_is_not_proven(sleeper, monkeypatch):
    monkeypatch.setattr(os, "kill", lambda pid, number: None)
    with pytest.raises(FaultNotProvenError, match="still there"):
        processes.kill([sleeper.pid], timeout_s=0.1)
    with pytest.raises(FaultNotProvenError, match="not in state T"):
        processes.freeze(sleeper.pid, timeout_s=0.1)


def test_a_process_that_does_not_run_is_no_target(sleeper):
    processes.kill([sleeper.pid])
    for hit in (lambda: processes.kill([sleeper.pid]), lambda: processes.freeze(sleeper.pid)):
        with pytest.raises(TargetError, match="no process"):
            hit()


async def test_a_failure_of_nested_tasks_is_told_as_itself():
    async def fail(load):
        async with asyncio.TaskGroup() as group:
            group.create_task(_refuse())

    async def _refuse():
        raise FaultNotProvenError("no proof")

    class Quiet(Arena):
        async def _num_resumed(self):
            return 0

    arena = Quiet(system=None, seed=0)
    with pytest.raises(FaultNotProvenError, match="no proof"):
        await arena.attack(Report(scenario="s", seed=0), [], fail, Load("http://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("losses", "last_text_s", "may_be"),
    [([], None, True), ([5.0], 4.9, False), ([5.0], 5.1, False), ([5.0], 6.0, True),
     ([1.0, 2.0, 3.0], 9.0, False)],
)  # fmt: skip
def test_a_stream_is_not_hit_twice_at_one_token(losses, last_text_s, may_be):
    load = Load("http://127.0.0.1:1")
    if last_text_s is not None:
        load.outcomes["a"] = outcome(pieces=[(0.5, "w0 "), (last_text_s, "w1 ")])
    assert may_be_hit(load, "a", losses) is may_be


def event(number, **fields):
    delta = {"content": f"w{number} "}
    chunk = {"choices": [{"delta": delta, "finish_reason": None}], **fields}
    return f"id: {number}\ndata: {json.dumps(chunk)}\n\n"


async def breaking_server(asked):
    """Breaks the first stream after two events; gives the rest to a client that comes back."""

    async def answer(reader, writer):
        request = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        asked.append("last-event-id: 1" in request)
        first = 2 if asked[-1] else 0
        body = "".join(event(number) for number in range(first, first + 2))
        if asked[-1]:
            end = {"choices": [{"delta": {}, "finish_reason": "length"}]}
            usage = {"choices": [], "usage": {"completion_tokens": 4}}
            body += f"data: {json.dumps(end)}\n\ndata: {json.dumps(usage)}\n\ndata: [DONE]\n\n"
        length = len(body) + (0 if asked[-1] else 100)  # so that the first one is cut off
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def test_a_client_that_comes_back_gets_the_rest():
    asked = []
    async with await breaking_server(asked) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        call = ChatCall(key="a", at_s=0, body={})
        (left,) = await Load(url).run([call])
        assert not left.succeeded
        assert left.text == "w0 w1 "
        asked.clear()
        (back,) = await Load(url).run(reconnecting([call]))
    assert asked == [False, True]
    assert back.succeeded
    assert (back.text, back.num_tokens, back.num_reconnects) == ("w0 w1 w2 w3 ", 4, 1)
