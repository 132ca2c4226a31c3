"""Rows over REST: outputs that are asked for."""

from __future__ import annotations

from tests.shared.conformance.over_rest.answers import Classes, Vectors
from tests.shared.conformance.over_rest.case import Table, refused, same, wrong_json
from tests.shared.conformance.over_rest.requests import asked, inference, output, post

OUTPUTS: Table = {
    "unknown output": refused(
        post(inference(outputs=[{"name": "bar"}])), 400, "unexpected inference output 'bar' for model 'pets'"
    ),
    "outputs object": wrong_json(
        post(inference(outputs={})), "Unable to parse 'outputs': attempt to access JSON non-array as array"
    ),
    "outputs null": wrong_json(
        post(inference(outputs=None)), "Unable to parse 'outputs': attempt to access JSON non-array as array"
    ),
    "output number": wrong_json(
        post(inference(outputs=[3])), "Unable to parse 'name': attempt to access non-existing object member 'name'"
    ),
    "output no name": wrong_json(
        post(inference(outputs=[{}])), "Unable to parse 'name': attempt to access non-existing object member 'name'"
    ),
    "output name number": wrong_json(
        post(inference(outputs=[{"name": 3}])), "Unable to parse 'name': attempt to access JSON non-string as string"
    ),
    "output twice": same(post(inference(outputs=[{"name": "embedding"}] * 2)), Vectors()),
    "outputs empty": same(post(inference(outputs=[])), Vectors()),
    "binary_data text": wrong_json(
        post(asked(output(binary_data="yes"))),
        "Unable to parse 'binary_data': attempt to access JSON non-boolean as boolean",
    ),
    "classes 0": same(post(asked(output(classification=0))), Vectors()),
    "classes -1": wrong_json(
        post(asked(output(classification=-1))),
        "Unable to set 'classification': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "classes text": wrong_json(
        post(asked(output(classification="2"))),
        "Unable to set 'classification': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "classes many": same(post(asked(output(classification=100))), Classes(4)),
    "out region": refused(
        post(asked(output(shared_memory_region="r", shared_memory_byte_size=16))),
        404,
        "Unable to find shared memory region: 'r'",
    ),
    "out region classes": refused(
        post(asked(output(shared_memory_region="r", classification=1))),
        400,
        "Output can't set both 'shared_memory_region' and 'classification'",
    ),
    "out region binary": refused(
        post(asked(output(shared_memory_region="r", binary_data=True))),
        400,
        "Output can't set both 'shared_memory_region' and 'binary_data'",
    ),
    "out params list": same(post(inference(outputs=[{"name": "embedding", "parameters": []}])), Vectors()),
}
