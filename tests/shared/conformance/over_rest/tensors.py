"""Rows over REST: fields of an input: its name, type, shape, data and size, and the length of the JSON."""

from __future__ import annotations

from tests.shared.conformance.over_rest.answers import Refused, Vectors
from tests.shared.conformance.over_rest.case import Table, differs, refused, same, wrong_json
from tests.shared.conformance.over_rest.requests import RAW, binary, image, inference, post, sized

TENSORS: Table = {
    "no name": wrong_json(
        post(inference(image(name=None))), "Unable to parse 'name': attempt to access non-existing object member 'name'"
    ),
    "name number": wrong_json(
        post(inference(image(name=3))), "Unable to parse 'name': attempt to access JSON non-string as string"
    ),
    "no datatype": wrong_json(
        post(inference(image(datatype=None))),
        "Unable to parse 'datatype': attempt to access non-existing object member 'datatype'",
    ),
    "datatype unknown": refused(post(inference(image(datatype="FOO"))), 400, "invalid datatype for input image"),
    "datatype unknown binary": refused(
        binary({"inputs": [image(data=None, datatype="FOO", parameters={"binary_data_size": 192})]}, RAW),
        400,
        "[request id: <id_unknown>] inference input 'image' data-type is '<invalid>', but model 'pets' expects 'UINT8'",
    ),
    "datatype number": wrong_json(
        post(inference(image(datatype=3))), "Unable to parse 'datatype': attempt to access JSON non-string as string"
    ),
    "no shape": wrong_json(
        post(inference(image(shape=None))),
        "Unable to parse 'shape': attempt to access non-existing object member 'shape'",
    ),
    "shape text": wrong_json(
        post(inference(image(shape="1"))), "Unable to parse 'shape': attempt to access JSON non-array as array"
    ),
    "shape negative": wrong_json(
        post(inference(image(shape=[-1, 8, 8, 3]))),
        "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "shape fraction": wrong_json(
        post(inference(image(shape=[1.0, 8, 8, 3]))),
        "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "shape huge": differs(
        post(inference(image(shape=[2**63, 8, 8, 3]))),
        Refused(
            400,
            "[request id: <id_unknown>] input byte size mismatch for "
            "input 'image' for model 'pets'. Expected 192, got 0",
        ),
        Refused(
            400,
            "invalid shape for input 'image': shape "
            "[9223372036854775808,8,8,3] contains one or more invalid dimensions",
        ),
        "overflow",
    ),
    "shape over": differs(
        post(inference(image(shape=[2**62, 8, 8, 3]))),
        Refused(
            400,
            "[request id: <id_unknown>] input byte size mismatch for "
            "input 'image' for model 'pets'. Expected 192, got 0",
        ),
        Refused(
            400,
            "invalid shape for input 'image': shape [4611686018427387904,8,8,3] causes "
            "total element count to exceed maximum size of 9223372036854775807",
        ),
        "overflow",
    ),
    "shape 2^64": wrong_json(
        post(inference(image(shape=[2**64, 8, 8, 3]))),
        "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "shape other": refused(
        post(inference(image(shape=[1, 8, 24]))),
        400,
        "[request id: <id_unknown>] unexpected shape for input 'image' for model 'pets'. Expected "
        "[-1,8,8,3], got [1,8,24]. NOTE: Setting a non-zero max_batch_size in the model config "
        "requires a batch dimension to be prepended to each input shape. If you want to specify the "
        "full shape including the batch dim in your input dims config, try setting max_batch_size to "
        "zero. See the model configuration docs for more info on max_batch_size.",
    ),
    "shape zero": refused(
        post(inference(image(shape=[0, 8, 8, 3], data=[]))),
        400,
        "[request id: <id_unknown>] input byte size mismatch for input 'image' for model 'pets'. Expected 192, got 0",
    ),
    "shape empty": refused(
        post(inference(image(shape=[], data=[1]))),
        400,
        "[request id: <id_unknown>] input 'image' has no shape but model requires batch dimension for 'pets'",
    ),
    "no data": refused(
        post(inference(image(data=None))),
        400,
        "Input must set only one of the following fields: 'data', 'binary_data_size' in "
        "'parameters', 'shared_memory_region' in 'parameters'. But no field is set",
    ),
    "data text": wrong_json(
        post(inference(image(data="x"))), "Unable to parse 'data': attempt to access JSON non-array as array"
    ),
    "data object": wrong_json(
        post(inference(image(data={}))), "Unable to parse 'data': attempt to access JSON non-array as array"
    ),
    "data few": wrong_json(
        post(inference(image(data=[1, 2]))), "Unable to parse 'data': Shape does not match true shape of 'data' field"
    ),
    "data many": wrong_json(
        post(inference(image(data=[1] * 193))),
        "Unable to parse 'data': Shape does not match true shape of 'data' field",
    ),
    "data texts": wrong_json(
        post(inference(image(data=["1"] * 192))),
        "Unable to parse 'data': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "data bools": wrong_json(
        post(inference(image(data=[True] * 192))),
        "Unable to parse 'data': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "data floats": wrong_json(
        post(inference(image(data=[1.0] * 192))),
        "Unable to parse 'data': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "data negative": wrong_json(
        post(inference(image(data=[-1] * 192))),
        "Unable to parse 'data': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "data 300": differs(
        post(inference(image(data=[300] * 192))),
        Vectors(pixels=(44,) * 192),
        Refused(400, "Unable to parse 'data': a value of input 'image' is beyond UINT8"),
        "range",
    ),
    "data null": wrong_json(
        post(inference(image(data=[None] * 192))),
        "Unable to parse 'data': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "data huge": wrong_json(
        post(inference(image(data=[2**70] * 192))),
        "Unable to parse 'data': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "data mixed depth": same(
        post(inference(image(data=[[1] * 100, 2, [[3] * 91]]))), Vectors(pixels=(*(1,) * 100, 2, *(3,) * 91))
    ),
    "data fp32": refused(
        post(inference(image(datatype="FP32", data=[0.5] * 192))),
        400,
        "[request id: <id_unknown>] inference input 'image' data-type is 'FP32', but model 'pets' expects 'UINT8'",
    ),
    "data fp16": refused(
        post(inference(image(datatype="FP16", data=[0.5] * 192))),
        400,
        "receiving FP16 data via JSON is not supported. Please use the binary data format for input image",
    ),
    "data bf16": refused(
        post(inference(image(datatype="BF16", data=[0.5] * 192))),
        400,
        "receiving BF16 data via JSON is not supported. Please use the binary data format for input image",
    ),
    "data bytes for pixels": refused(
        post(inference(image(datatype="BYTES", data=["x"] * 192))),
        400,
        "[request id: <id_unknown>] inference input 'image' data-type is 'BYTES', but model 'pets' expects 'UINT8'",
    ),
    "data and size": refused(
        post(inference(image(parameters={"binary_data_size": 192}))),
        400,
        "Input must set only one of the following fields: 'data', 'binary_data_size' in "
        "'parameters', 'shared_memory_region' in 'parameters'. But set 'data' 'binary_data_size'",
    ),
    "data and region": refused(
        post(inference(image(parameters={"shared_memory_region": "r", "shared_memory_byte_size": 192}))),
        400,
        "Input must set only one of the following fields: 'data', 'binary_data_size' in "
        "'parameters', 'shared_memory_region' in 'parameters'. But set 'data' 'shared_memory_region'",
    ),
    "region": refused(
        post(inference(image(data=None, parameters={"shared_memory_region": "r", "shared_memory_byte_size": 192}))),
        404,
        "Unable to find shared memory region: 'r'",
    ),
    "region number": wrong_json(
        post(inference(image(data=None, parameters={"shared_memory_region": 3}))),
        "Unable to parse 'shared_memory_region': attempt to access JSON non-string as string",
    ),
    "region no size": refused(
        post(inference(image(data=None, parameters={"shared_memory_region": "r"}))),
        404,
        "Unable to find shared memory region: 'r'",
    ),
    "region offset text": wrong_json(
        post(inference(image(data=None, parameters={"shared_memory_region": "r", "shared_memory_offset": "3"}))),
        "Unable to parse 'shared_memory_offset': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "parameters list": same(post(inference(image(parameters=[]))), Vectors()),
    "parameters of input unknown": same(post(inference(image(parameters={"foo": 1}))), Vectors()),
    "size without header": refused(
        post(inference(image(data=None, parameters={"binary_data_size": 192}))),
        400,
        "unexpected size for input 'image', expecting 192 additional bytes for model 'pets'",
    ),
    "size text": wrong_json(
        binary(sized("192"), RAW),
        "Unable to parse 'binary_data_size': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "size negative": wrong_json(
        binary(sized(-1), RAW),
        "Unable to parse 'binary_data_size': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "size more": refused(
        binary(sized(200), RAW), 400, "unexpected size for input 'image', expecting 8 additional bytes for model 'pets'"
    ),
    "size less": refused(binary(sized(100), RAW), 400, "unexpected additional input data for model 'pets'"),
    "size huge": refused(
        binary(sized(2**63), RAW),
        400,
        "unexpected size for input 'image', expecting 9223372036854775616 additional bytes for model 'pets'",
    ),
    "size zero": refused(
        binary(sized(0), b""),
        400,
        "[request id: <id_unknown>] input byte size mismatch for input 'image' for model 'pets'. Expected 192, got 0",
    ),
    "more behind": refused(binary(sized(192), RAW + b"xx"), 400, "unexpected additional input data for model 'pets'"),
    "header text": differs(
        post(inference(), Inference_Header_Content_Length="abc"),
        Refused(
            400,
            "[request id: <id_unknown>] input byte size mismatch for input "
            "'raw_input' for model 'pets'. Expected 192, got 935",
        ),
        Refused(400, "inference header size should be in range (0, 935), got: abc"),
        "header",
    ),
    "header negative": refused(
        post(inference(), Inference_Header_Content_Length="-1"),
        400,
        "inference header size should be in range (0, 935), got: -1",
    ),
    "header more": refused(
        post(inference(), Inference_Header_Content_Length="100000"),
        400,
        "inference header size should be in range (0, 935), got: 100000",
    ),
    "header short": wrong_json(
        post(inference(), Inference_Header_Content_Length="10"),
        "failed to parse the request JSON buffer: Invalid value. at 10",
    ),
    "header huge": refused(
        post(inference(), Inference_Header_Content_Length="99999999999999999999"),
        400,
        "inference header size should be in range (0, 935), got: 99999999999999999999",
    ),
    "unknown input": refused(
        post(inference(image(name="foo"))), 400, "unexpected inference input 'foo' for model 'pets'"
    ),
    "input twice": refused(
        post(inference(image(), image())), 400, "[request id: <id_unknown>] input 'image' already exists in request"
    ),
    "unknown input and right": refused(
        post(inference(image(), image(name="foo"))),
        400,
        "[request id: <id_unknown>] expected 1 inputs but got 2 inputs for model 'pets'. Got "
        "input(s) ['foo','image'], but missing required input(s) ]. Please provide all required input(s).",
    ),
    "rows over": refused(
        post(inference(image(shape=[65, 8, 8, 3], data=[1] * 192 * 65))),
        400,
        "[request id: <id_unknown>] inference request batch-size must be <= 64 for 'pets'",
    ),
}
