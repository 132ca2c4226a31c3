"""The server's figures beside real Triton, mlserver and onnxruntime alone; `python -m benchmarks serving`.

`figures` is the whole, and says what is measured how; under it the contenders, the networks and what is sent to them,
onnxruntime alone, the costs of a request, and the start of a server.
"""
