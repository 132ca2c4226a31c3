"""Attacks by the messages of gRPC: lengths, counts, shapes and texts that are not what they should be.

Each ends in one line, within bounds of memory that no honest request comes near, and the server answers as before.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
from tritonclient.grpc import service_pb2 as messages

from tests.shared.attacked_server import SERVICE, AttackedServer, tiny_request
from tests.shared.waiting import WAIT_S

MILLION = 1_000_000
FEW = "a request may have at most 4096"
# Fields of a ModelInferRequest with nothing in them, two bytes each.
INPUT, OUTPUT, RAW = b"\x2a\x00", b"\x32\x00", b"\x3a\x00"


def named(**fields: Any) -> bytes:
    """A request of `tiny` with nothing but fields."""
    data: bytes = messages.ModelInferRequest(model_name="tiny", **fields).SerializeToString()
    return data


def encoded(data: bytes, *, shape: tuple[int, ...] = (1, 1)) -> Any:
    """A request of encoded images whose raw bytes are these."""
    request = messages.ModelInferRequest(model_name="tiny_encoded", raw_input_contents=[data])
    request.inputs.add(name="image", datatype="BYTES", shape=shape)
    return request


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (INPUT * MILLION, "inputs"),
        (INPUT * MILLION + RAW * MILLION, "inputs"),
        ((INPUT + RAW) * 20_000, "inputs"),
        (OUTPUT * MILLION, "outputs"),
        (RAW * MILLION, "raw_input_contents"),
    ],
    ids=["inputs", "inputs and data", "a small message", "outputs", "data"],
)
def test_tensors_without_number_are_refused_while_they_are_bytes(
    attacked: AttackedServer, data: bytes, what: str
) -> None:
    """A million named tensors are two megabytes (CVE-2026-24146); parsed they would be hundreds."""
    with attacked.growth(40):
        status, text = attacked.refusal("ModelInfer", named() + data)
    assert (status, text.startswith(f"{FEW} {what}, got ")) == ("INVALID_ARGUMENT", True)


def test_output_named_a_million_times_is_refused(attacked: AttackedServer) -> None:
    """Triton's mend of duplicate output names (2.69); named a thousand times it is answered once."""
    output = messages.ModelInferRequest.InferRequestedOutputTensor(name="embedding").SerializeToString()
    field = OUTPUT[:1] + bytes([len(output)]) + output
    whole = tiny_request().SerializeToString()
    with attacked.growth(60):
        assert attacked.refusal("ModelInfer", whole + field * MILLION)[1] == f"{FEW} outputs, got 4097"
    answer = attacked.stub.ModelInfer(messages.ModelInferRequest.FromString(whole + field * 1000), timeout=WAIT_S)
    assert [output.name for output in answer.outputs] == ["embedding"]
    assert len(answer.raw_output_contents) == 1


@pytest.mark.parametrize("of", ["request", "input", "output"])
def test_parameters_without_number_are_refused(attacked: AttackedServer, of: str) -> None:
    """Of the request, and of a tensor."""
    request = tiny_request()
    request.outputs.add(name="embedding")
    holder = {"request": request, "input": request.inputs[0], "output": request.outputs[0]}[of]
    for index in range(100_000):
        holder.parameters[str(index)].int64_param = index
    with attacked.growth(40):
        status, text = attacked.refusal("ModelInfer", request)
    assert (status, text.startswith(f"{FEW} parameters")) == ("INVALID_ARGUMENT", True)


def test_stream_goes_on_after_a_request_that_is_not_parsed(attacked: AttackedServer) -> None:
    """It is refused like any other: the next one is answered."""
    call = attacked.channel.stream_stream(
        f"{SERVICE}ModelStreamInfer", response_deserializer=messages.ModelStreamInferResponse.FromString
    )
    whole = tiny_request(id="next").SerializeToString()
    first, second = call(iter([named() + INPUT * MILLION, whole]), timeout=WAIT_S)
    assert first.error_message == f"{FEW} inputs, got 4097"
    assert (second.error_message, second.infer_response.id) == ("", "next")


@pytest.mark.parametrize(
    "data", [b"\xff" * 100, b"\x2a\xff\xff\xff\xff\x0f", named() + b"\x2b", b"\x00" * 200_000, b"\x2a" * 200_000]
)
def test_bytes_that_are_no_message_leave_no_trace(attacked: AttackedServer, data: bytes) -> None:
    """Lengths beyond the end, groups without one, zeros: refused, and nothing is written about it."""
    before = attacked.said()
    with attacked.growth(40):
        assert attacked.refusal("ModelInfer", data)[0] in ("INTERNAL", "INVALID_ARGUMENT")
    assert attacked.said() == before


@pytest.mark.parametrize(
    ("data", "shape", "text"),
    [
        (struct.pack("<I", 2**32 - 1), (1, 1), "expecting string of length 4294967295 but only 0 bytes available"),
        (struct.pack("<I", 2**31) + b"x", (1, 1), "expecting string of length 2147483648 but only 1 bytes available"),
        (b"\xff\xff\xff", (1, 1), "expecting 4 bytes but only 3 bytes available"),
        (bytes(4 * MILLION), (1, 1), "unexpected number of string elements 2"),
        (bytes(4), (64, 1), "expected 64 string elements"),
        (b"", (64, 1), "expected 64 string elements"),
        (bytes(4), (2**32, 1), "batch-size must be <= 64"),
        (bytes(4), (2**63 - 1, 2**63 - 1), "batch-size must be <= 64"),
        (bytes(4), (1, 2**63 - 1), "unexpected shape"),
        (bytes(4), (-1, -1), "unexpected shape"),
    ],
)
def test_lengths_of_bytes_are_not_believed(
    attacked: AttackedServer, data: bytes, shape: tuple[int, ...], text: str
) -> None:
    """What an element or a shape promises takes no memory before it is there (2.69: BYTES memory)."""
    with attacked.growth(40):
        status, got = attacked.refusal("ModelInfer", encoded(data, shape=shape))
    assert (status, text in got) == ("INVALID_ARGUMENT", True), got


@pytest.mark.parametrize(
    "shape",
    [
        (2**63 - 1,) * 4,
        (2**32, 2**32, 1, 3),
        (-1, 8, 8, 3),
        (1, -8, -8, 3),
        (-1, -8, 8, 3),
        (1, 2**33, 2**31, 3),
        (0, 8, 8, 3),
        (2**62,) * 100_000,
        (),
    ],
    ids=str,
)
def test_shapes_that_overflow_are_refused(attacked: AttackedServer, shape: tuple[int, ...]) -> None:
    """Products beyond 64 bits, negative lengths that give a positive one, ranks without end (CVE-2026-24173)."""
    request = tiny_request()
    del request.inputs[0].shape[:]
    request.inputs[0].shape.extend(shape)
    with attacked.growth(60):
        assert attacked.refusal("ModelInfer", request)[0] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("field", "status"),
    [("model_name", "NOT_FOUND"), ("model_version", "INVALID_ARGUMENT"), ("id", "INVALID_ARGUMENT")],
)
@pytest.mark.parametrize("letter", ["a", "é", "%", "\x1b", "\U0001f41e"])
def test_text_of_megabytes_is_told_in_a_line_that_arrives(
    attacked: AttackedServer, field: str, status: str, letter: str
) -> None:
    """A status of more than 8 KiB is lost on its way, and the client is told to come again."""
    request = tiny_request(**{field: letter * MILLION}) if field != "model_name" else tiny_request()
    request.model_name = letter * MILLION if field == "model_name" else "tiny"
    request.inputs[0].datatype = "FP32"
    with attacked.growth(60):
        got, text = attacked.refusal("ModelInfer", request)
    assert got == status
    assert " characters ...]" in text
    assert len(text.encode()) < 8192
    assert text.isprintable()


@pytest.mark.parametrize("version", ["-1", "0", "1e1", "0x1", "1_0", "٣", "1/../2", "../1", "9" * 30, "9" * 100_000])
def test_versions_that_are_none_are_refused(attacked: AttackedServer, version: str) -> None:
    """They become no path and no number."""
    status, _ = attacked.refusal("ModelInfer", tiny_request(model_version=version))
    assert status in ("INVALID_ARGUMENT", "NOT_FOUND")


def test_reserved_parameters_come_from_no_header(attacked: AttackedServer) -> None:
    """Metadata of a call are no parameters of its request (2.69), and those that are reserved are refused."""
    metadata = [("triton_enable_empty_final_response", "true"), ("priority", "-1"), ("timeout", "1")]
    answer = attacked.stub.ModelInfer(tiny_request(), metadata=metadata, timeout=WAIT_S)
    assert set(answer.parameters) == {"lookalike.digest"}
    request = tiny_request()
    request.parameters["triton_anything"].string_param = "x"
    assert "reserved for Triton usage" in attacked.refusal("ModelInfer", request)[1]


def test_shared_memory_logs_and_traces_are_out_of_reach(attacked: AttackedServer) -> None:
    """Nothing on this machine is read or written by the network (CVE-2024-0087, 2024-0095, 2025-23319)."""
    trace = messages.TraceSettingRequest()
    trace.settings["trace_file"].value.append("/tmp/trace")
    log = messages.LogSettingsRequest()
    log.settings["log_file"].string_param = "/tmp/log"
    for method, request in (
        ("TraceSetting", trace),
        ("LogSettings", log),
        ("SystemSharedMemoryRegister", messages.SystemSharedMemoryRegisterRequest(name="a", key="/b", byte_size=9)),
        ("SystemSharedMemoryUnregister", messages.SystemSharedMemoryUnregisterRequest()),
        ("CudaSharedMemoryRegister", messages.CudaSharedMemoryRegisterRequest(name="a", byte_size=9)),
        ("CudaSharedMemoryUnregister", messages.CudaSharedMemoryUnregisterRequest()),
    ):
        assert attacked.refusal(method, request)[0] == "UNIMPLEMENTED"
    request = tiny_request()
    request.inputs[0].parameters["shared_memory_region"].string_param = "triton_python_backend_shm_region_1"
    request.inputs[0].parameters["shared_memory_byte_size"].int64_param = 192
    status, text = attacked.refusal("ModelInfer", request)
    assert (status, text.startswith("Unable to find shared memory region")) == ("NOT_FOUND", True)


@pytest.mark.parametrize("name", ["config", "file:1/model.onnx", "file:../../evil", "file:/etc/passwd", "x"])
def test_load_brings_no_config_and_no_files(attacked: AttackedServer, name: str) -> None:
    """A model is what the repository holds (CVE-2023-31036): a request adds and overrides nothing."""
    request = messages.RepositoryModelLoadRequest(model_name="tiny")
    request.parameters[name].bytes_param = b"x" * 1000
    assert attacked.refusal("RepositoryModelLoad", request)[0] in ("UNIMPLEMENTED", "INVALID_ARGUMENT")
    attacked.require_well()


def test_urls_are_not_fetched(attacked: AttackedServer) -> None:
    """An image is its bytes: what looks like an address or a path is a bad image (CVE-2023-43654)."""
    for text in (b"http://127.0.0.1:1/a.png", b"file:///etc/passwd", b"/etc/passwd", b"s3://bucket/a.png"):
        status, said = attacked.refusal("ModelInfer", encoded(struct.pack("<I", len(text)) + text))
        assert (status, "[row 0, image]" in said) == ("INVALID_ARGUMENT", True)
