"""Run to artifact: graph, parity, sealing, and publishing into a repository."""

import serving  # noqa: F401 - switches onnxruntime's telemetry off before parity imports it
