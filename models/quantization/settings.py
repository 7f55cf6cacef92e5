"""What a quantisation run is asked to do."""

from dataclasses import dataclass

from models.errors import InvalidInputError
from models.gptq import GptqFormat

MIN_SAMPLES = 16
MAX_SAMPLES = 4096


@dataclass(frozen=True, kw_only=True)
class QuantizationSettings:
    """Settings of `python -m models.quantize`.

    Attributes:
        bits: bits per weight.
        group_size: input channels that share a scale; -1 for one scale per output channel.
        act_order: quantise the columns with the largest activations first ("desc_act").
        symmetric: zero points in the middle of the range; what the fast kernels want.
        num_samples: calibration samples, at most.
        sample_tokens: tokens of a calibration sample.
        batch_size: samples per forward pass.
        device: "cpu" or "cuda".
    """

    bits: int = 4
    group_size: int = 128
    act_order: bool = False
    symmetric: bool = True
    num_samples: int = 256
    sample_tokens: int = 512
    batch_size: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Checks the limits."""
        self.format()
        for name, least, most in (
            ("num_samples", MIN_SAMPLES, MAX_SAMPLES),
            ("sample_tokens", 32, 8192),
            ("batch_size", 1, 256),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                msg = f"{name} must be in {least}..{most}, got {value}"
                raise InvalidInputError(msg)

    def format(self) -> GptqFormat:
        """Returns the format of the checkpoint that these settings make."""
        return GptqFormat(
            bits=self.bits, group_size=self.group_size, desc_act=self.act_order, sym=self.symmetric
        )
