"""Reasons of onnx and onnxruntime in one line."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The first line of an error from onnx or onnxruntime; the rest of it is for their developers."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
