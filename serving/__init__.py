"""Artifacts to vectors: the engine, the server and its services, the client, and the scoring of tables.

Nothing here imports torch, timm or the trainer. onnxruntime's telemetry is switched off before anything can import it:
its Linux wheel would otherwise write files into the user's cache when a session is made.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
