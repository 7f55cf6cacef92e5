import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from index.errors import FileLimitError, InvalidFileError, SandboxError, UnsupportedFileError
from index.parsing import sandbox as sandbox_module
from index.parsing.parse import parse
from index.parsing.parse_limits import ParseLimits
from index.parsing.sandbox import Sandbox

ROOT = Path(__file__).parents[3]
GOOD = b"# Ports\n\nThe port is 8000.\n\n```\nx = 1\n\ny\n```\n\n| a |\n|---|\n| b |\n"


def pdf_that_draws_itself():
    """A form that draws itself twice: 2 to the power of the depth that the reader allows."""
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 4 0 R>>>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 5 0 R"
        b"/Resources<</XObject<</X 4 0 R>>>>>>",
        b"<<%s/Length 11>>\nstream\n/X Do /X Do\nendstream" % form,
        b"<</Length 5>>\nstream\n/X Do\nendstream",
    ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % item for item in enumerate(objects, start=1))
    return b"%PDF-1.7\n" + body + b"trailer\n<</Root 1 0 R/Size 6>>\n%%EOF\n"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as one:
        yield one


@pytest.fixture(autouse=True)
def _the_next_good_file_is_read(request):
    yield
    if "sandbox" in request.fixturenames:
        one = request.getfixturevalue("sandbox")
        assert one.parse("next.md", GOOD) == parse("next.md", GOOD)


def worker_pid(sandbox):
    return sandbox._worker.process.pid if sandbox._worker else None


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.py", "a.html", "../a.md"])
def test_a_document_comes_back_as_it_is_without_a_sandbox(sandbox, name):
    assert sandbox.parse(name, GOOD) == parse(name, GOOD)


def test_the_process_is_kept_for_good_files_and_for_broken_ones(sandbox):
    sandbox.parse("a.md", GOOD)
    pid = worker_pid(sandbox)
    for data, error in ((b"\0\1\2", InvalidFileError), (b"", InvalidFileError)):
        with pytest.raises(error):
            sandbox.parse("a.md", data)
    with pytest.raises(UnsupportedFileError):
        sandbox.parse("a.exe", GOOD)
    sandbox.parse("a.md", GOOD)
    assert worker_pid(sandbox) == pid


ROOM_MB = 4096  # a fast machine fills 512 MB with that file within a second


def test_a_file_that_takes_the_parser_for_ever_ends_at_its_cpu_time(sandbox):
    limits = ParseLimits(cpu_s=1, memory_mb=ROOM_MB)
    with pytest.raises(FileLimitError, match=r"'a.pdf' needs more than 1 s of CPU time"):
        sandbox.parse("a.pdf", pdf_that_draws_itself(), limits)


def test_a_file_that_takes_too_long_ends_at_its_time(sandbox):
    limits = ParseLimits(wall_s=1, memory_mb=ROOM_MB)
    with pytest.raises(FileLimitError, match=r"'a.pdf' was not read within 1 s"):
        sandbox.parse("a.pdf", pdf_that_draws_itself(), limits)


def test_a_crash_of_the_parser_ends_with_a_reason(sandbox):
    # PDFium aborts when it gets no memory.
    with pytest.raises(FileLimitError, match=r"crashed the parser \(SIG[A-Z]+\), .* 128 MB"):
        sandbox.parse("a.pdf", pdf_that_draws_itself(), ParseLimits(memory_mb=128))


def test_a_file_that_takes_much_memory_ends_at_its_memory(sandbox):
    data = b'{"a":[' + b"{}," * 8_000_000 + b"1]}"
    with pytest.raises(FileLimitError, match=r"'a.json' needs more than 192 MB of memory"):
        sandbox.parse("a.json", data, ParseLimits(memory_mb=192))


def test_a_long_text_without_a_line_end_is_refused(sandbox):
    with pytest.raises(FileLimitError, match="holds more than 10000000 characters"):
        sandbox.parse("a.txt", b"x" * 20_000_000)
    with pytest.raises(FileLimitError, match=r"has 129\.0 MB, at most 128 MB"):
        sandbox.parse("a.txt", bytes(129 * 2**20))


def test_deep_markup_hurts_nobody(sandbox):
    with pytest.raises(FileLimitError, match="nested deeper than 64 levels"):
        sandbox.parse("a.json", b"[" * 1_000_000)
    assert sandbox.parse("a.html", b"<div>" * 20_000 + b"x").text == "x"


def test_files_together_are_read_as_each_alone(sandbox):
    bad = [("c.exe", GOOD), ("d.csv", b"\0\1\2"), ("e.pdf", b"x")]
    many = [(f"{number}.txt", b"%d words." % number) for number in range(40)]
    files = [("a.md", GOOD), ("b.txt", b"Words."), *bad, *many]
    for (name, data), found in zip(files, sandbox.parse_all(files), strict=True):
        if (name, data) in bad:
            with pytest.raises(type(found), match=re.escape(str(found))):
                sandbox.parse(name, data)
        else:
            assert found == sandbox.parse(name, data)


def test_small_texts_share_a_copy_and_nothing_else_does():
    small, large = ("a.txt", b"x"), ("a.txt", bytes(2**17))
    files = [*[small] * 33, ("a.pdf", b"x"), small, large, small]
    assert [len(group) for group in sandbox_module._groups(files)] == [32, 1, 1, 1, 1, 1]


def test_a_file_that_ends_its_copy_spoils_no_other(sandbox):
    slow = ("slow.md", b"<p " + b" ".join(b"a%d" % number for number in range(60_000)) + b">x")
    files = [("a.md", GOOD), slow, ("b.md", GOOD), ("c.txt", b"Words.")]
    good, failed, *others = sandbox.parse_all(files, ParseLimits(cpu_s=1))
    assert isinstance(failed, FileLimitError)
    assert str(failed) == "'slow.md' needs more than 1 s of CPU time to be read"
    assert [good, *others] == [parse("a.md", GOOD), parse("b.md", GOOD), parse("c.txt", b"Words.")]


def test_a_killed_process_is_replaced(sandbox):
    sandbox.parse("a.md", GOOD)
    pid = worker_pid(sandbox)
    os.kill(pid, signal.SIGKILL)
    sandbox._worker.process.wait()
    assert not is_running(pid)
    sandbox.parse("a.md", GOOD)
    assert worker_pid(sandbox) != pid


def test_a_crash_while_reading_is_the_files_own(sandbox):
    sandbox.parse("a.md", GOOD)
    pid = worker_pid(sandbox)
    killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(FileLimitError, match=r"'a.pdf' crashed the parser \(SIGKILL\)"):
        sandbox.parse("a.pdf", pdf_that_draws_itself())
    killer.join()
    assert not is_running(pid)


def test_many_threads_take_turns(sandbox):
    texts = [f"Number {number}." for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        documents = pool.map(lambda text: sandbox.parse("a.txt", text.encode()), texts)
        assert [document.text for document in documents] == texts


def test_closing_leaves_no_process():
    with Sandbox() as one:
        one.parse("a.md", GOOD)
        pid = worker_pid(one)
        assert is_running(pid)
    assert not is_running(pid)


def test_a_process_that_does_not_start_is_no_fault_of_the_file(monkeypatch):
    monkeypatch.setattr(sandbox_module.sys, "executable", "/bin/false")
    with Sandbox() as one, pytest.raises(SandboxError, match="ended with status 1"):
        one.parse("a.md", GOOD)


@pytest.mark.parametrize(
    "deed",
    [
        "socket.socket()",
        "socket.create_connection(('127.0.0.1', 9))",
        "os.execv('/bin/true', ['true'])",
        "subprocess.run(['/bin/true'])",
        "os.fork()",
        "os.kill(os.getppid(), 9)",
        "os.write(os.open('written.txt', os.O_CREAT | os.O_WRONLY), b'x')",
    ],
)
def test_a_parser_that_is_taken_over_cannot_reach_out(tmp_path, deed):
    code = (
        "import os, signal, socket, subprocess\n"
        "from index.parsing.parse_limits import ParseLimits\n"
        "from index.parsing.sandbox_confine import forbid_reaching_out, limit_resources\n"
        "limit_resources(ParseLimits()); assert forbid_reaching_out()\n"
        f"try: {deed}\nexcept OSError as err: os._exit(42)\n"
    )
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 42
