"""How long everything takes: `python -m benchmarks`. Timings are never pass/fail tests."""
