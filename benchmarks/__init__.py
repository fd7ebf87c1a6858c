"""Measurements, printed; run each with `python -m benchmarks.NAME`. Figures belong to the machine they name."""
