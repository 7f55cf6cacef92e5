"""Runs one quantisation: check, calibrate, quantise beside the target, measure, rename."""

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from models.folders import whole_or_nothing
from models.quantization.calibration import Calibration, cut_samples
from models.quantization.checks import check_run
from models.quantization.measure import agreement, load_tokenizer, measure, peak_memory_bytes
from models.quantization.report import LayerError, QuantizationReport
from models.quantization.settings import QuantizationSettings

logger = logging.getLogger(__name__)
Texts = Callable[[PreTrainedTokenizerBase], Iterable[str]]


def quantize(  # long: half of it is its docstring
    model: Path,
    out: Path,
    settings: QuantizationSettings,
    *,
    texts: Texts,
    source: str,
    verify: bool,
) -> QuantizationReport:
    """Quantises a checkpoint folder to a new one that appears whole or not at all.

    Args:
        model: full-precision checkpoint folder.
        out: new folder.
        settings: bits, groups and calibration sizes.
        texts: gives the calibration texts for the model's tokenizer.
        source: where they come from, for the report.
        verify: compare both checkpoints token by token at the end.

    Returns:
        The report, also written into `out`.

    Raises:
        ModelError: see `checks.check_run` and `calibration.cut_samples`; before any work is done.
    """
    estimate = check_run(model, out, settings)
    tokenizer = load_tokenizer(model)
    calibration = cut_samples(texts(tokenizer), tokenizer, settings, source)
    logger.info(
        "%d linear layers, %d calibration samples, about %.2f GB of memory",
        estimate.num_linears, len(calibration.samples), estimate.memory_bytes / 1e9,
    )  # fmt: skip
    with whole_or_nothing(out) as unfinished:
        started = time.perf_counter()
        layers = _run_gptq(model, unfinished, settings, calibration)
        seconds = time.perf_counter() - started
        _copy_companions(model, unfinished)
        held_out, device = calibration.held_out, settings.device
        report = QuantizationReport(
            model=model.name,
            settings=settings,
            calibration=source,
            num_samples=len(calibration.samples),
            before=measure(model, held_out, device),
            after=measure(unfinished, held_out, device),
            layers=layers,
            quantize_s=round(seconds, 1),
            agreement=agreement(model, unfinished, held_out, device) if verify else None,
            peak_memory_bytes=peak_memory_bytes(device),
        )
        report.write(unfinished)
    return report


def _run_gptq(
    model: Path, out: Path, settings: QuantizationSettings, calibration: Calibration
) -> tuple[LayerError, ...]:
    from gptqmodel import GPTQModel, QuantizeConfig

    config = QuantizeConfig(
        bits=settings.bits,
        group_size=settings.group_size,
        desc_act=settings.act_order,
        sym=settings.symmetric,
    )
    quantizer: Any = GPTQModel.load(str(model), config, device=settings.device)
    samples = [{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in calibration.samples]
    quantizer.quantize(samples, batch_size=settings.batch_size)
    quantizer.save(str(out))
    _forget_scratch(out)
    return tuple(
        LayerError(layer=int(entry["layer"]), module=str(entry["module"]), error=str(entry["loss"]))
        for entry in quantizer.quant_log
    )


def _forget_scratch(out: Path) -> None:
    """Takes the path of GPTQModel's scratch folder on this machine out of the written configs."""
    for name in ("config.json", "quantize_config.json"):
        config = json.loads((out / name).read_text(encoding="utf-8"))
        packing = config.get("quantization_config", config)
        packing.get("meta", {}).pop("offload_to_disk_path", None)
        (out / name).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (out / "quant_log.csv").unlink(missing_ok=True)  # the report holds the same numbers


def _copy_companions(model: Path, out: Path) -> None:
    """Copies what belongs to the model beside its weights and was not written anew."""
    for pattern in (
        "tokenizer*",
        "special_tokens_map.json",
        "*.jinja",
        "generation_config.json",
        "vocab*",
        "merges.txt",
    ):
        for file in model.glob(pattern):
            if not (out / file.name).exists() or file.name == "generation_config.json":
                shutil.copyfile(file, out / file.name)
