"""Rows over REST: parameters of an inference."""

from __future__ import annotations

from tests.shared.conformance.over_rest.answers import Vectors
from tests.shared.conformance.over_rest.case import Table, refused, same, wrong_json
from tests.shared.conformance.over_rest.requests import inference, post, told

PARAMETERS: Table = {
    "params list": wrong_json(
        post(inference(parameters=[])), "failed to get request params.: attempt to get members for non-object"
    ),
    "params null": wrong_json(
        post(inference(parameters=None)), "failed to get request params.: attempt to get members for non-object"
    ),
    "params empty": same(post(inference(parameters={})), Vectors()),
    "params any": same(post(told(foo=1, bar="x", baz=True)), Vectors()),
    "params float": same(post(told(foo=1.5)), Vectors()),
    "params null value": refused(
        post(told(foo=None)), 400, "parameter 'foo' has invalid type. It should be either 'int', 'bool', or 'string'."
    ),
    "params list value": refused(
        post(told(foo=[1])), 400, "parameter 'foo' has invalid type. It should be either 'int', 'bool', or 'string'."
    ),
    "params object value": refused(
        post(told(foo={})), 400, "parameter 'foo' has invalid type. It should be either 'int', 'bool', or 'string'."
    ),
    "params big": same(post(inference(parameters={"foo": 2**63})), Vectors()),
    "params empty name": same(post(inference(parameters={"": 1})), Vectors()),
    "params triton_": refused(
        post(told(triton_foo=1)),
        400,
        "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
    ),
    "params triton final": refused(
        post(told(triton_enable_empty_final_response=True)),
        400,
        "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
    ),
    "priority": same(post(told(priority=1)), Vectors()),
    "priority -1": wrong_json(
        post(told(priority=-1)),
        "Unable to parse 'priority': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "priority text": wrong_json(
        post(told(priority="1")),
        "Unable to parse 'priority': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "timeout": same(post(inference(parameters={"timeout": 10**9})), Vectors()),
    "timeout text": wrong_json(
        post(told(timeout="1")),
        "Unable to parse 'timeout': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "sequence_id": same(post(told(sequence_id=3)), Vectors()),
    "sequence_id text": same(post(told(sequence_id="x")), Vectors()),
    "sequence_id -1": wrong_json(
        post(told(sequence_id=-1)), "Unable to parse 'sequence_id': attempt to access JSON non-string as string"
    ),
    "sequence_id bool": wrong_json(
        post(told(sequence_id=True)), "Unable to parse 'sequence_id': attempt to access JSON non-string as string"
    ),
    "sequence_start": same(post(told(sequence_start=True)), Vectors()),
    "sequence_start 1": wrong_json(
        post(told(sequence_start=1)), "Unable to parse 'sequence_start': attempt to access JSON non-boolean as boolean"
    ),
    "sequence_end text": wrong_json(
        post(told(sequence_end="x")), "Unable to parse 'sequence_end': attempt to access JSON non-boolean as boolean"
    ),
    "bdo text": wrong_json(
        post(told(binary_data_output="x")),
        "Unable to parse 'binary_data_output': attempt to access JSON non-boolean as boolean",
    ),
    "headers param": refused(
        post(told(headers={})),
        400,
        "parameter 'headers' has invalid type. It should be either 'int', 'bool', or 'string'.",
    ),
}
