"""Rows over REST: right answers, encodings of bodies and answers, and bodies that are one raw input."""

from __future__ import annotations

import gzip
import zlib

from tests.shared.conformance.over_rest.answers import Classes, Refused, Vectors
from tests.shared.conformance.over_rest.case import Table, differs, refused, same
from tests.shared.conformance.over_rest.requests import (
    PIXELS,
    RAW,
    asked,
    binary,
    image,
    inference,
    output,
    post,
    sized,
    told,
)

INFERENCES: Table = {
    "right": same(post(inference()), Vectors()),
    "right nested": same(post(inference(image(data=PIXELS.tolist()))), Vectors()),
    "right id": same(post(inference(id="a7")), Vectors(id="a7")),
    "right version": same(post(inference(), "/v2/models/pets/versions/1/infer"), Vectors()),
    "right outputs": same(post(inference(outputs=[{"name": "embedding"}])), Vectors()),
    "right binary out": same(post(asked(output(binary_data=True))), Vectors(is_binary=True)),
    "right binary default": same(post(told(binary_data_output=True)), Vectors(is_binary=True)),
    "right classes": same(post(asked(output(classification=2))), Classes(2)),
    "right classes binary": same(post(asked(output(classification=2, binary_data=True))), Classes(2, is_binary=True)),
    "right binary in": same(binary(sized(192), RAW), Vectors()),
    "right gzip": same(post(gzip.compress(inference()), Content_Encoding="gzip"), Vectors()),
    "right deflate": same(post(zlib.compress(inference()), Content_Encoding="deflate"), Vectors()),
    "right two gzips": differs(
        post(gzip.compress(inference()[:20]) + gzip.compress(inference()[20:]), Content_Encoding="gzip"),
        Refused(500, "failed to parse the request JSON buffer: Invalid value. at 20"),
        Vectors(),
        "members",
    ),
    "accept gzip": same(post(inference(), Accept_Encoding="gzip"), Vectors(encoding="gzip")),
    "accept weights": same(post(inference(), Accept_Encoding="gzip;q=0.2, deflate;q=0.9"), Vectors(encoding="deflate")),
    "accept br": same(post(inference(), Accept_Encoding="br"), Vectors()),
    "accept star": same(post(inference(), Accept_Encoding="*"), Vectors()),
    "raw": same(post(RAW, Inference_Header_Content_Length="0"), Vectors(is_binary=True)),
    "raw two inputs": refused(
        post(RAW, "/v2/models/pairs/infer", Inference_Header_Content_Length="0"),
        400,
        "[request id: <id_unknown>] Raw request must only have 1 input (found 1) "
        "to be deduced but got 2 inputs in 'pairs' model configuration",
    ),
    "raw short": differs(
        post(RAW[:10], Inference_Header_Content_Length="0"),
        Refused(
            400,
            "[request id: <id_unknown>] input byte size mismatch for input "
            "'raw_input' for model 'pets'. Expected 192, got 10",
        ),
        Refused(
            400,
            "[request id: <id_unknown>] input byte size mismatch for input "
            "'image' for model 'pets'. Expected 192, got 10",
        ),
        "raw",
    ),
    "raw empty": differs(
        post(b"", Inference_Header_Content_Length="0"),
        Refused(
            400,
            "[request id: <id_unknown>] input byte size mismatch for input "
            "'raw_input' for model 'pets'. Expected 192, got 0",
        ),
        Refused(
            400,
            "[request id: <id_unknown>] input byte size mismatch for "
            "input 'image' for model 'pets'. Expected 192, got 0",
        ),
        "raw",
    ),
    "encoding br": refused(post(inference(), Content_Encoding="br"), 501, "Unsupported compression type"),
    "encoding GZIP": refused(
        post(gzip.compress(inference()), Content_Encoding="GZIP"), 501, "Unsupported compression type"
    ),
    "bad gzip": differs(
        post(b"no gzip", Content_Encoding="gzip"),
        Refused(
            400,
            "[request id: <id_unknown>] input byte size mismatch for input "
            "'raw_input' for model 'pets'. Expected 192, got 0",
        ),
        Refused(400, "the body is not gzip, or cut off"),
        "compressed",
    ),
    "cut gzip": differs(
        post(gzip.compress(inference())[:-20], Content_Encoding="gzip"),
        Refused(500, "failed to parse the request JSON buffer: Missing a comma or ']' after an array element. at 910"),
        Refused(400, "the body is not gzip, or cut off"),
        "compressed",
    ),
    "gzip trailing": same(post(gzip.compress(inference()) + b"junk", Content_Encoding="gzip"), Vectors()),
}
