"""The report that a quantisation run closes with: JSON for machines, a table for people."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from models.quantization.measure import Measurement
from models.quantization.settings import QuantizationSettings

FILE_NAME = "quantization_report.json"


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """GPTQ's own error of one linear layer: mean squared output error, weighted by its inputs."""

    layer: int
    module: str
    error: str


@dataclass(frozen=True, kw_only=True)
class QuantizationReport:
    """Everything that a run found out.

    Attributes:
        model: name of the folder that was quantised.
        calibration: source of the text; with how many samples of how many tokens.
        before, after: the two checkpoints on the same held-out text.
        layers: in the order of quantisation.
        quantize_s: wall time of the quantisation itself.
        peak_memory_bytes: of the whole run.
        agreement: with `--verify`, the share of held-out tokens that both rank first.
    """

    model: str
    settings: QuantizationSettings
    calibration: str
    num_samples: int
    before: Measurement
    after: Measurement
    layers: tuple[LayerError, ...]
    quantize_s: float
    peak_memory_bytes: int
    agreement: float | None = None

    def write(self, folder: Path) -> None:
        """Writes the report into the checkpoint's folder."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        (folder / FILE_NAME).write_text(text, encoding="utf-8")

    def table(self) -> str:
        """Returns the report as text of about 80 columns."""
        before, after = self.before, self.after
        rows = [
            ("", "before", "after", "ratio"),
            _row("weights on disk, MB", before.bytes_on_disk / 1e6, after.bytes_on_disk / 1e6),
            _row("perplexity, held out", before.perplexity, after.perplexity),
            _row("tokens/s, one sequence", before.tokens_per_s, after.tokens_per_s),
        ]
        lines = [f"{name:<24}{a:>12}{b:>12}{c:>10}" for name, a, b, c in rows]
        lines.append(
            f"calibration: {self.num_samples} samples of {self.settings.sample_tokens} tokens from "
            f"{self.calibration}; {self.quantize_s:.0f} s, peak "
            f"{self.peak_memory_bytes / 1e9:.2f} GB"
        )
        if self.agreement is not None:
            lines.append(f"verify: both rank the same token first {self.agreement:.1%} of the time")
        lines += ["", f"{'layer':<7}{'module':<24}{'error':>14}"]
        lines += [f"{e.layer:<7}{e.module:<24}{e.error:>14}" for e in self.layers]
        return "\n".join(lines)


def _row(name: str, before: float, after: float) -> tuple[str, str, str, str]:
    return name, f"{before:.2f}", f"{after:.2f}", f"{after / before:.3f}"
