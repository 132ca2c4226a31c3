"""Rows over REST: bodies that are no JSON, or not of the form of an inference."""

from __future__ import annotations

from tests.shared.conformance.over_rest.answers import Refused, Vectors
from tests.shared.conformance.over_rest.case import Table, differs, refused, same, wrong_json
from tests.shared.conformance.over_rest.requests import image, inference, post, text

JSON_BODIES: Table = {
    "empty body": differs(
        post(b""),
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
    "no json": wrong_json(post(b"hello"), "failed to parse the request JSON buffer: Invalid value. at 0"),
    "list": wrong_json(post(b"[]"), "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"),
    "number": wrong_json(post(b"7"), "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"),
    "null": wrong_json(
        post(b"null"), "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"
    ),
    "cut json": wrong_json(
        post(inference()[:-5]),
        "failed to parse the request JSON buffer: Missing a comma or ']' after an array element. at 930",
    ),
    "json and more": wrong_json(
        post(inference() + b"xx"),
        "failed to parse the request JSON buffer: The document root must not be followed by other values. at 935",
    ),
    "nul json": wrong_json(
        post(b"{\x00}"), "failed to parse the request JSON buffer: Missing a name for object member. at 1"
    ),
    "not utf8": differs(
        post(b'{"id":"\xff\xfe","inputs":[]}'),
        Refused(
            400,
            "[request id: \\xff\\xfe] expected 1 inputs but got 0 inputs for model 'pets'. Got "
            "input(s) [], but missing required input(s) ['image']. Please provide all required input(s).",
        ),
        Refused(400, "failed to parse the request JSON buffer: Invalid encoding in string. at 7"),
        "utf8",
    ),
    "bom": same(post(b"\xef\xbb\xbf" + inference()), Vectors()),
    "nan": wrong_json(
        post(inference(image(data=[float("nan")] * 192))),
        "Unable to parse 'data': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "comment": wrong_json(
        post(b"/* x */" + inference()), "failed to parse the request JSON buffer: Invalid value. at 0"
    ),
    "no inputs": wrong_json(
        post(text({})), "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"
    ),
    "inputs object": wrong_json(
        post(text({"inputs": {}})), "Unable to parse 'inputs': attempt to access JSON non-array as array"
    ),
    "inputs empty": refused(
        post(text({"inputs": []})),
        400,
        "[request id: <id_unknown>] expected 1 inputs but got 0 inputs for model 'pets'. Got "
        "input(s) [], but missing required input(s) ['image']. Please provide all required input(s).",
    ),
    "inputs of numbers": refused(
        post(text({"inputs": [1]})),
        400,
        "Input must set only one of the following fields: 'data', 'binary_data_size' in "
        "'parameters', 'shared_memory_region' in 'parameters'. But no field is set",
    ),
    "inputs null": wrong_json(
        post(text({"inputs": None})), "Unable to parse 'inputs': attempt to access JSON non-array as array"
    ),
    "id number": wrong_json(post(inference(id=7)), "Unable to parse 'id': attempt to access JSON non-string as string"),
    "id null": wrong_json(
        post(inference(id=None)), "Unable to parse 'id': attempt to access JSON non-string as string"
    ),
    "id empty": same(post(inference(id="")), Vectors()),
    "duplicate keys": same(post(b'{"id":"a","id":"b",' + inference()[1:]), Vectors(id="a")),
}
