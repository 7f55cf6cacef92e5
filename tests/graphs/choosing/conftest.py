"""A server elsewhere, one for all tests of a file."""

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from tests.graphs.choosing.endpoint import Server, serving


@pytest.fixture(scope="module")
def served():
    holder = Server()
    app = Starlette(routes=[Route("/v1/chat/completions", holder.chat, methods=["POST"])])
    with serving(app) as url:
        yield holder, url


@pytest.fixture
def server(served):
    served[0].__init__()
    return served[0]
