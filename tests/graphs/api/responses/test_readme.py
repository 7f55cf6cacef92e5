"""The lines of docs/api.md on kept answers, as they stand there."""

import asyncio
import re
from pathlib import Path

from openai import OpenAI

README = Path(__file__).parents[4] / "docs" / "api.md"


def snippet():
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (found,) = [block for block in blocks if "client.responses" in block]
    return found.replace('model="generator"', 'model="local/generator"')  # its name in tests


async def test_what_the_readme_tells_of_kept_answers_works(base_url, api_catalog):
    store = api_catalog.create_store(name="manuals")
    names = {"client": OpenAI(api_key="none", base_url=base_url, max_retries=0), "store": store}
    await asyncio.to_thread(exec, snippet(), names)
    assert names["first"].output_text == names["found"].output_text
    assert names["later"].status == "completed"
    assert names["found"].output[0].results[0].filename == "handbook.md"
