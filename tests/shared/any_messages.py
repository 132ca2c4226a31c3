"""Any message of the protocol, for hypothesis: near enough to right ones that every check of the server is reached."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from tritonclient.grpc import service_pb2 as messages

from tests.shared.conformance.cases import some_pixels
from tests.shared.conformance.served import MODELS, column, frame, request
from tests.shared.pictures import pictures

_PNG = pictures()["png"]
_NAMES = [model.name + suffix for model in MODELS for suffix in ("", "_decode", "_encoded")]
_STREAMS = sorted({stream for model in MODELS for stream in model.streams})
_DATATYPES = (
    "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BF16 BYTES".split()  # noqa: SIM905
)
_INT64 = st.integers(-(2**63), 2**63 - 1)
_TEXT = st.text(max_size=8)
_SHAPES = st.one_of(
    st.sampled_from([(1, 8, 8, 3), (2, 8, 8, 3), (1, 1), (2, 1), (0, 8, 8, 3), (1, 12, 12, 3), (), (0,), (64, 1)]),
    st.lists(st.one_of(st.integers(-1, 9), _INT64), max_size=6).map(tuple),
)
_RAW = st.one_of(
    st.sampled_from([some_pixels(1).tobytes(), some_pixels(2).tobytes(), frame([_PNG]), frame([b"", _PNG]), b""]),
    st.binary(max_size=300),
)
_CONTENTS: dict[str, SearchStrategy[list[Any]]] = {
    "bool_contents": st.lists(st.booleans(), max_size=4),
    "int_contents": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
    "int64_contents": st.lists(_INT64, max_size=4),
    "uint_contents": st.one_of(
        st.just(some_pixels(1).ravel().tolist()), st.lists(st.integers(0, 2**32 - 1), max_size=4)
    ),
    "uint64_contents": st.lists(st.integers(0, 2**64 - 1), max_size=4),
    "fp32_contents": st.lists(st.floats(width=32), max_size=4),
    "fp64_contents": st.lists(st.floats(), max_size=4),
    "bytes_contents": st.lists(st.one_of(st.just(_PNG), st.binary(max_size=40)), max_size=4),
}
_PARAMETER_NAMES = st.one_of(
    st.sampled_from(
        [
            "sequence_id",
            "sequence_start",
            "sequence_end",
            "priority",
            "timeout",
            "triton_enable_empty_final_response",
            "triton_x",
            "classification",
            "binary_data",
            "binary_data_size",
            "shared_memory_region",
            "shared_memory_byte_size",
            "shared_memory_offset",
            "headers",
            "lookalike.digest",
        ]
    ),
    _TEXT,
)
_PARAMETERS = st.one_of(
    st.builds(messages.InferParameter, bool_param=st.booleans()),
    st.builds(messages.InferParameter, int64_param=st.one_of(st.integers(-2, 5), _INT64)),
    st.builds(messages.InferParameter, string_param=_TEXT),
    st.builds(messages.InferParameter, double_param=st.floats()),
    st.builds(messages.InferParameter, uint64_param=st.integers(0, 2**64 - 1)),
    st.just(messages.InferParameter()),
)
_VERSIONS = st.one_of(st.sampled_from(["", "1", "2", "0", "-1", "abc", " 1", "1 ", "٣", "1_0"]), _TEXT)


@st.composite
def inferences(draw: DrawFn) -> Any:
    """A ModelInferRequest put together field by field."""
    message = messages.ModelInferRequest(
        model_name=draw(st.one_of(st.sampled_from(_NAMES), _TEXT)),
        model_version=draw(_VERSIONS),
        id=draw(_TEXT),
    )
    _fill(draw, message.parameters)
    for _ in range(draw(st.integers(0, 3))):
        tensor = message.inputs.add(
            name=draw(st.one_of(st.sampled_from(_STREAMS), _TEXT)),
            datatype=draw(st.one_of(st.sampled_from(_DATATYPES), _TEXT)),
            shape=draw(_SHAPES),
        )
        _fill(draw, tensor.parameters)
        for field in draw(st.lists(st.sampled_from(sorted(_CONTENTS)), max_size=2, unique=True)):
            getattr(tensor.contents, field).extend(draw(_CONTENTS[field]))
    message.raw_input_contents.extend(draw(st.lists(_RAW, max_size=3)))
    for _ in range(draw(st.integers(0, 2))):
        output = message.outputs.add(name=draw(st.one_of(st.sampled_from(["embedding", "image_pixels"]), _TEXT)))
        _fill(draw, output.parameters)
    return message


@st.composite
def changed_bytes(draw: DrawFn, whole: SearchStrategy[bytes]) -> bytes:
    """Bytes that were right, cut, changed, doubled and filled up in a few places."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 8))
        change = draw(st.sampled_from(["replace", "cut", "insert", "double", "end"]))
        if change == "replace":
            data[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif change == "cut":
            del data[place : place + length]
        elif change == "insert":
            data[place:place] = draw(st.binary(max_size=8))
        elif change == "double":
            data[place:place] = data[place : place + length]
        else:
            del data[place:]
    return bytes(data)


RIGHT_INFERENCES = [
    request("pets", {"image": some_pixels(1)}, id="a7", outputs=["embedding"]).SerializeToString(),
    request("pets_encoded", {"image": column([_PNG])}).SerializeToString(),
    request("pets_decode", {"image": column([_PNG, _PNG])}, version="1").SerializeToString(),
]

CONTROL: dict[str, SearchStrategy[Any]] = {
    "ServerLive": st.just(messages.ServerLiveRequest()),
    "ServerReady": st.just(messages.ServerReadyRequest()),
    "ServerMetadata": st.just(messages.ServerMetadataRequest()),
    **{
        method: st.builds(
            getattr(messages, f"{method}Request"), name=st.one_of(st.sampled_from(_NAMES), _TEXT), version=_VERSIONS
        )
        for method in ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics")
    },
    "RepositoryIndex": st.builds(messages.RepositoryIndexRequest, repository_name=_TEXT, ready=st.booleans()),
    "RepositoryModelLoad": st.builds(messages.RepositoryModelLoadRequest, repository_name=_TEXT, model_name=_TEXT),
    "RepositoryModelUnload": st.builds(messages.RepositoryModelUnloadRequest, repository_name=_TEXT, model_name=_TEXT),
    "SystemSharedMemoryStatus": st.builds(messages.SystemSharedMemoryStatusRequest, name=_TEXT),
    "SystemSharedMemoryRegister": st.builds(
        messages.SystemSharedMemoryRegisterRequest, name=_TEXT, key=_TEXT, byte_size=st.integers(0, 2**64 - 1)
    ),
    "SystemSharedMemoryUnregister": st.builds(messages.SystemSharedMemoryUnregisterRequest, name=_TEXT),
    "CudaSharedMemoryStatus": st.builds(messages.CudaSharedMemoryStatusRequest, name=_TEXT),
    "CudaSharedMemoryRegister": st.builds(
        messages.CudaSharedMemoryRegisterRequest, name=_TEXT, raw_handle=st.binary(max_size=9)
    ),
    "CudaSharedMemoryUnregister": st.builds(messages.CudaSharedMemoryUnregisterRequest, name=_TEXT),
    "TraceSetting": st.builds(messages.TraceSettingRequest, model_name=_TEXT),
    "LogSettings": st.just(messages.LogSettingsRequest()),
}
"""Any request of every other method, by its name; no model is unloaded."""


def _fill(draw: DrawFn, parameters: Any) -> None:
    for name, value in draw(st.dictionaries(_PARAMETER_NAMES, _PARAMETERS, max_size=2)).items():
        parameters[name].CopyFrom(value)
