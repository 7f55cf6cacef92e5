"""The parts of the exam (benchmarks/answers.py)."""
