"""Artifacts to vectors: the engine, the embedded server, the client, and the scoring of tables.

engine runs an artifact, check and difference judge it; embedded/ serves a repository and client/ asks a server, both in
the words of protocol; jobs/ scores tables through a client, on_ray/ on a cluster. Nothing here imports torch, timm or
the trainer. One effect on purpose: onnxruntime's telemetry is switched off before anything can import it, for its Linux
wheel would otherwise write files into the user's cache when a session is made.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
