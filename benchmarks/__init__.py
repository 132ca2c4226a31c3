"""Measurements: `python -m benchmarks [NAME ...]`; each writes a dated result file with hardware and command."""
