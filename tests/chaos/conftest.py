import sys

import pytest

from chaos import __main__ as chaos


@pytest.fixture
def run_chaos(monkeypatch):
    """Runs `python -m chaos` with arguments in this process; gives its exit status."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["chaos", *arguments])
        with pytest.raises(SystemExit) as ended:
            chaos.main()
        return ended.value.code

    return run
