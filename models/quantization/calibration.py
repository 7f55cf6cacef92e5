"""Calibration text: from a file, from a vector store of a running Ragfleet, or the bundled default.

GPTQ needs text like what the model will read. The default is therefore question-answering prompts
in the shape that the server builds: prompts.jsonl, which `python -m training.prompts` writes.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from transformers import PreTrainedTokenizerBase

from models.errors import InvalidInputError, ModelNotFoundError
from models.quantization.settings import MIN_SAMPLES, QuantizationSettings

HELD_OUT_SHARE = 0.15  # of the samples, for perplexity before and after
TEXT_KEYS = ("text", "content", "paragraph", "prompt")
HTTP_TIMEOUT_S = 30.0
PROMPTS = Path(__file__).parent / "prompts.jsonl"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Token ids, cut to samples of one length.

    Attributes:
        samples: what GPTQ sees; each a list of token ids.
        held_out: what perplexity is measured on; never among the samples.
        source: for the report.
    """

    samples: tuple[list[int], ...]
    held_out: tuple[list[int], ...]
    source: str


def read_texts(path: Path) -> list[str]:
    """Reads a text file (paragraphs parted by blank lines) or a JSONL file.

    Args:
        path: `.jsonl` lines are strings, or objects with `text`, `content`, `paragraph`, `prompt`
            or chat `messages`; any other file is plain text.

    Raises:
        ModelNotFoundError: there is no such file.
        InvalidInputError: a line cannot be read.
    """
    if not path.is_file():
        msg = f"no calibration text at {path}"
        raise ModelNotFoundError(msg)
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".jsonl":
        return [text for text in content.split("\n\n") if text.strip()]
    lines = enumerate(content.splitlines(), start=1)
    return [_text_of(line, f"{path}:{number}") for number, line in lines if line.strip()]


def _text_of(line: str, place: str) -> str:
    try:
        item = json.loads(line)
    except ValueError as err:
        msg = f"{place} is not JSON: {err}"
        raise InvalidInputError(msg) from err
    if isinstance(item, str):
        return item
    if isinstance(item, dict):
        if isinstance(item.get("messages"), list):
            return "\n\n".join(str(m.get("content", "")) for m in item["messages"])
        for key in TEXT_KEYS:
            if isinstance(item.get(key), str):
                return str(item[key])
    msg = f"{place} must be a string or hold one of {(*TEXT_KEYS, 'messages')}, got {line[:60]!r}"
    raise InvalidInputError(msg)


def fetch_texts(url: str, store: str, api_key: str | None) -> list[str]:
    """Reads the text of every file of a vector store over the HTTP API.

    Args:
        url: base address of a running Ragfleet, "http://127.0.0.1:8000/v1".
        store: vector store id.
        api_key: sent as a bearer token when given.

    Raises:
        ModelNotFoundError: the server or the store is not there.
    """
    base = f"{url.rstrip('/')}/vector_stores/{quote(store, safe='')}/files"
    texts, after = [], ""
    while True:
        page = _get(f"{base}?limit=100{after}", api_key)
        for file in page["data"]:
            content = _get(f"{base}/{quote(file['id'], safe='')}/content", api_key)
            texts += [part["text"] for part in content["data"] if part.get("text")]
        if not page.get("has_more"):
            return texts
        after = f"&after={quote(page['last_id'], safe='')}"


def _get(url: str, api_key: str | None) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        msg = f"the server's address must start with http:// or https://, got {url!r}"
        raise InvalidInputError(msg)
    request = urllib.request.Request(url)
    if api_key:
        request.add_header("Authorization", f"Bearer {api_key}")
    try:
        with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as reply:
            found: dict[str, Any] = json.load(reply)
            return found
    except (urllib.error.URLError, ValueError) as err:
        msg = f"cannot read {url}: {err}"
        raise ModelNotFoundError(msg) from err


def default_texts(tokenizer: PreTrainedTokenizerBase) -> Iterator[str]:
    """Yields question-answering prompts with answers, through the model's chat template if any."""
    with PROMPTS.open(encoding="utf-8") as lines:
        for line in lines:
            prompt = json.loads(line)
            question, answer = prompt["question"], prompt["answer"]
            if tokenizer.chat_template:
                turns = [
                    {"role": "user", "content": question},
                    {"role": "assistant", "content": f" {answer}"},
                ]
                yield str(tokenizer.apply_chat_template(turns, tokenize=False))
            else:
                yield f"{question}\n\n{answer}\n\n"


def cut_samples(
    texts: Iterable[str],
    tokenizer: PreTrainedTokenizerBase,
    settings: QuantizationSettings,
    source: str,
) -> Calibration:
    """Tokenises the texts, joins them and cuts samples of one length.

    Raises:
        InvalidInputError: too little text for `MIN_SAMPLES` samples and the held-out part.
    """
    wanted = int(settings.num_samples / (1 - HELD_OUT_SHARE)) + 1
    ids: list[int] = []
    for text in texts:
        ids += tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) >= wanted * settings.sample_tokens:
            break
    length = settings.sample_tokens
    samples = [ids[i : i + length] for i in range(0, len(ids) - length + 1, length)]
    held_out = max(2, int(len(samples) * HELD_OUT_SHARE))
    if len(samples) - held_out < MIN_SAMPLES:
        msg = (
            f"calibration needs at least {(MIN_SAMPLES + 2) * length} tokens "
            f"({MIN_SAMPLES} samples of {length} and 2 held out), got {len(ids)} from {source}"
        )
        raise InvalidInputError(msg)
    return Calibration(
        samples=tuple(samples[held_out:][: settings.num_samples]),
        held_out=tuple(samples[:held_out]),
        source=source,
    )
