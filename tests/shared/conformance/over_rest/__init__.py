"""Single requests over REST and what real Triton and the embedded server say to each; one test a row and a server.

`requests` makes them, `answers` are the kinds of answers, `case` is a row; the tables: `inferences`, `json_bodies`,
`tensors`, `outputs`, `parameters`, `paths`, `control`. A row whose servers differ says why, and stands in
docs/serving/conformance.md, which `differences` writes.
"""

import pytest

pytest.register_assert_rewrite(f"{__name__}.answers")  # before its import, wherever that is
