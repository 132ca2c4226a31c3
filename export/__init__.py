"""Runs, and foreign networks, made into artifacts: graph, precision, parity, publishing.

build.py is the way from a run (graph, reduced precision and its gates, parity, manifest); deployment.py names its
models, and refuses before a run is trained. adoption/ makes artifacts of foreign ONNX networks; it and folding.py,
which both ways use, import no torch, and neither does this file. Nothing here trains, serves or talks to a terminal.
"""

import serving  # noqa: F401 - switches onnxruntime's telemetry off before any module here imports it
