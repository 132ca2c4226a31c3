"""Conformance of a server: rows and checks that run alike against the embedded server and real Triton.

served (the repository, the connection, requests) and fronts (the servers) under rows, each a test of its own (cases,
parameters, contents, methods, over_rest), and checks (answers, parameters, refusals, streams, versions). Tests:
test_grpc_requests.py, test_rest_requests.py, test_triton_grpc.py and test_triton_rest.py in tests/serving/.
"""

import pytest

# Before their import, wherever that is, so that their asserts say what they got.
pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("served", "rest", "answers", "parameters", "refusals", "streams", "versions"))
)
