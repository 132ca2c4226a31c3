"""Attacks by encoded images: bombs of every format, and files that only look like pictures."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from tritonclient.grpc import service_pb2 as messages

from tests.shared.attacked_server import AttackedServer
from tests.shared.image_bombs import BOMBS, packed_parts
from tests.shared.waiting import WAIT_S


def encoded(*files: bytes) -> Any:
    """A request of encoded images, a row each."""
    request = messages.ModelInferRequest(model_name="tiny_encoded")
    request.inputs.add(name="image", datatype="BYTES", shape=(len(files), 1))
    request.raw_input_contents.append(b"".join(struct.pack("<I", len(data)) + data for data in files))
    return request


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_of_every_format_take_no_memory(attacked: AttackedServer, name: str) -> None:
    """A picture of gigapixels is refused from its header, 64 of them in one request as well."""
    data = BOMBS[name]()
    with attacked.growth(30):
        for files in ([data], [data] * 64):
            status, text = attacked.refusal("ModelInfer", encoded(*files))
            assert (status, f"cannot read {len(files)} of {len(files)} images" in text) == ("INVALID_ARGUMENT", True)
            assert "over the server's limit of 128 megapixels" in text


def test_what_lies_packed_beside_a_picture_is_not_unpacked(attacked: AttackedServer) -> None:
    """Texts, profiles and pixels too many: a hundred megabytes of zeros in a hundred kilobytes."""
    for data in packed_parts(100_000_000).values():
        with attacked.growth(30):
            attacked.stub.ModelInfer(encoded(data), timeout=WAIT_S)


@pytest.mark.parametrize(
    "data",
    [
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><svg xmlns="x">&b;</svg>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
        b"push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1/a.png'\npop graphic-context\n",
        b"PK\x03\x04" + bytes(100),
        b"\x80\x04\x95" + b"cos\nsystem\n(S'true'\ntR.",
        b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n" + bytes(9),
        b"BM" + b"\xff" * 100,
        b"II*\0" + b"\xff" * 100,
        b"GIF89a" + b"\xff" * 100,
        b"\xff\xd8\xff" + b"\xff" * 1000,
        b"RIFF\xff\xff\xff\xffWEBPVP8L" + b"\xff" * 100,
        b"\x89PNG\r\n\x1a\n" + b"\x7f\xff\xff\xffIHDR" + bytes(13),
    ],
    ids=["svg", "eps", "mvg", "zip", "pickle", "numpy", "bmp", "tiff", "gif", "jpeg", "webp", "png"],
)
def test_files_that_reach_for_more_are_bad_images(attacked: AttackedServer, data: bytes) -> None:
    """No interpreter, no entity, no pickle, no address: eight formats of pictures and nothing else are read."""
    with attacked.growth(30):
        status, text = attacked.refusal("ModelInfer", encoded(data))
    assert (status, "[row 0, image]" in text, text.isprintable()) == ("INVALID_ARGUMENT", True, True)
