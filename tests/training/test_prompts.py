from models.quantization.calibration import PROMPTS
from training.prompts import calibration_lines


def test_the_shipped_calibration_text_is_what_training_writes():
    assert PROMPTS.read_text(encoding="utf-8") == "".join(calibration_lines())
