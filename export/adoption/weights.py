"""The weights of a foreign network: read from files inside its own folder, and looked at.

A path may be written in any way (with blanks, `./`, folders, backslashes, absolute); what counts is where it leads. It
is resolved with all links and has to lie inside the folder of the network, or of the file that the network's own name
is a link to, as in the caches of model hubs. Then the file is read here and not by onnxruntime, which would follow any
path.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from artifact.errors import ArtifactError
from artifact.model.graph import all_tensors
from export.adoption.reasons import first_line

if TYPE_CHECKING:
    import onnx

MAX_BYTES = 2**31 - 1
_PACKED_BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}


def load_weights(model: onnx.ModelProto, path: Path) -> dict[str, str]:
    """Read the weights that lie beside the file into the graph; {file as named from the network's folder: sha256}.

    Raises:
        ArtifactError: a file that lies elsewhere, is missing, too short, or no regular file; more than 2 GB.
    """
    import onnx

    tensors = [each for each in all_tensors(model) if each.data_location == onnx.TensorProto.EXTERNAL]
    if model.ByteSize() + sum(_num_bytes(tensor) or 0 for tensor in tensors) > MAX_BYTES:
        raise ArtifactError("the network is too large", expected="at most 2 GB of weights", where=path)
    hashes: dict[str, str] = {}
    for tensor in tensors:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        file, name = _file_of(tensor, entries.get("location", ""), path)
        try:
            if name not in hashes:
                with file.open("rb") as opened:
                    hashes[name] = hashlib.file_digest(opened, "sha256").hexdigest()
            tensor.raw_data = _read(tensor, entries, file)
        except OSError as error:
            raise ArtifactError("weights cannot be read", got=error.strerror, where=file) from None
        tensor.data_location = onnx.TensorProto.DEFAULT
        tensor.ClearField("external_data")
    if model.ByteSize() > MAX_BYTES:
        raise ArtifactError("the network is too large", expected="at most 2 GB of weights", where=path)
    return hashes


def require_sound_weights(model: onnx.ModelProto, path: Path) -> None:
    """Raise ArtifactError if a weight is damaged or NaN."""
    from onnx import numpy_helper

    for tensor in all_tensors(model):
        if tensor.data_type in (1, 10, 11, 16):  # float32, float16, float64, bfloat16
            try:
                values = numpy_helper.to_array(tensor).astype(np.float32, copy=False)
            except ValueError as error:
                raise ArtifactError(
                    f"weights {tensor.name!r} are damaged", got=first_line(error), where=path, mend="copy it again"
                ) from None
            if np.isnan(values).any():
                raise ArtifactError(
                    f"weights {tensor.name!r} hold NaN",
                    expected="numbers",
                    got=f"{int(np.isnan(values).sum())} NaN of {values.size}",
                    where=path,
                    mend="the training of this network failed; take an earlier checkpoint",
                )


def _file_of(tensor: onnx.TensorProto, location: str, path: Path) -> tuple[Path, str]:
    """The regular file that holds a tensor, all links resolved, and its name as seen from the network's folder."""
    folders = [Path(os.path.abspath(path)).parent, path.resolve().parent]
    for written in _spellings(location):
        named = folders[0] / written
        try:
            file = named.resolve()
            status = file.stat()
        except FileNotFoundError:
            if not _is_inside(file, folders):
                raise _outside(tensor, location, named, file, path) from None
            continue
        except (OSError, ValueError, RuntimeError) as error:  # a name that is none, or links in a circle
            reason = getattr(error, "strerror", None) or str(error)
            raise ArtifactError(
                f"weights {tensor.name!r} lie in a file that cannot be read",
                got=f"{location!r}: {reason}",
                where=path,
                mend="copy it again",
            ) from None
        if not _is_inside(file, folders):
            raise _outside(tensor, location, named, file, path)
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactError("weights in what is not a regular file", got=repr(location), where=path)
        return file, Path(os.path.relpath(os.path.normpath(named), folders[0])).as_posix()
    raise ArtifactError(
        f"the file with weights {tensor.name!r} is missing",
        expected=f"{location!r} beside the network" if location else "the name of a file beside the network",
        where=path,
        mend="copy it too",
    )


def _spellings(location: str) -> Iterator[str]:
    """A name as it is written, as another system would have written it, and in the two ways to write accents."""
    if location in ("", "."):
        return
    yield location
    for form in ("NFC", "NFD"):
        for written in (location, location.replace("\\", "/")):
            yield unicodedata.normalize(form, written)


def _is_inside(file: Path, folders: list[Path]) -> bool:
    return any(file.is_relative_to(folder.resolve()) for folder in folders)


def _outside(tensor: onnx.TensorProto, location: str, named: Path, file: Path, path: Path) -> ArtifactError:
    leads = ""
    if named.is_symlink():
        leads = f", a symbolic link to {os.readlink(named)}"
    elif Path(os.path.normpath(named)) != file:
        leads = f", which leads to {file}"
    return ArtifactError(
        f"weights {tensor.name!r} lie outside the network's folder",
        expected="a file in it",
        got=f"{location!r}{leads}",
        where=path,
        mend="do not use it, or save it again as one file",
    )


def _read(tensor: onnx.TensorProto, entries: dict[str, str], file: Path) -> bytes:
    """The bytes of a tensor in its file."""
    offset, given = (_count(tensor, entries, key, file) for key in ("offset", "length"))
    wanted = _num_bytes(tensor)
    if wanted is None:
        got = f"type {tensor.data_type}, shape {list(tensor.dims)}"
        raise ArtifactError(f"weights {tensor.name!r} are of no type and shape that a file holds", got=got, where=file)
    if given is not None and given != wanted:
        raise ArtifactError(
            f"weights {tensor.name!r} are damaged",
            expected=f"{wanted} bytes for {list(tensor.dims)}",
            got=f"a length of {given}",
            where=file,
            mend="save the network again",
        )
    end, size = (offset or 0) + wanted, file.stat().st_size
    if end > size:
        raise ArtifactError(
            f"weights {tensor.name!r} cannot be read, for their file is too short",
            expected=f"{end} bytes",
            got=f"{size}",
            where=file,
            mend="copy it again",
        )
    with file.open("rb") as opened:
        opened.seek(offset or 0)
        return opened.read(wanted)


def _num_bytes(tensor: onnx.TensorProto) -> int | None:
    """What a tensor takes in a file; None of a type without a fixed size, and of a size below 0."""
    import onnx

    types = {number: name for name, number in onnx.TensorProto.DataType.items()}
    name = types.get(tensor.data_type, "UNDEFINED")
    if name in ("UNDEFINED", "STRING") or any(size < 0 for size in tensor.dims):
        return None
    bits = _PACKED_BITS.get(name) or 8 * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    num_bits = math.prod(tensor.dims) * bits
    return int(-(-num_bits // 8))


def _count(tensor: onnx.TensorProto, entries: dict[str, str], key: str, file: Path) -> int | None:
    text = entries.get(key)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ArtifactError(
            f"{key} of weights {tensor.name!r}", expected="a whole number", got=repr(text[:40]), where=file
        )
    return int(text)
