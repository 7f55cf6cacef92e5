"""What `python -m cluster.calibrate` asks for is what the API takes."""

import pytest

from cluster.calibrate import Asked, measure
from graphs.pipeline.events import Finished, Retrieved, TextDelta, Usage


@pytest.fixture(autouse=True)
def script(api_pipeline):
    usage = Usage(num_prompt_tokens=7, num_completion_tokens=3)
    api_pipeline.script = [
        Retrieved(passages=(), search_query=None, timings=()),
        TextDelta(text="once "),
        Finished(finish_reason="length", usage=usage),
    ]


async def test_every_model_is_measured_through_the_api(api_http, api_config):
    asked = Asked(names=api_config.served_names, slots=3, candidates=4, answer_tokens=8)
    found = await measure(api_http, asked)
    assert set(found.service_s) == {"Embedder", "Reranker", "SafetyFilter"}
    assert found.step_s > 0
    assert found.slots == 3
