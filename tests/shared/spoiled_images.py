"""Images that are none, or too large, and good folders of images that are turned into bad ones."""

import shutil
import struct
import zlib
from pathlib import Path

from PIL import Image


def png_of(width: int, height: int) -> bytes:
    """A valid 1-bit PNG of any size in a few KB: the classic image bomb."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = b"\0" + bytes((width + 7) // 8)
    packer = zlib.compressobj(9)
    body = b"".join([packer.compress(row * 100) for _ in range(height // 100)]) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def spoil(images: Path, name: str) -> None:
    """Turn a good folder of images, as shapes_run.py writes it, into one of the bad ones."""
    first = next(iter(sorted((images / "disc").iterdir())))
    match name:
        case "truncated":
            Image.open(first).save(images / "disc" / "cut.jpg", quality=95)
            data = (images / "disc" / "cut.jpg").read_bytes()
            (images / "disc" / "cut.jpg").write_bytes(data[: len(data) // 2])
        case "text":
            (images / "disc" / "note.jpg").write_text("I am no picture")
        case "0 bytes":
            (images / "disc" / "nothing.png").touch()
        case "1x1":
            Image.new("RGB", (1, 1)).save(images / "disc" / "dot.png")
        case "bomb":
            (images / "disc" / "bomb.png").write_bytes(png_of(20_000, 20_000))
        case "one class":
            for other in ("square", "stripe", "cross"):
                shutil.rmtree(images / other)
        case "single images":
            for folder in images.iterdir():
                for path in sorted(folder.iterdir())[1:]:
                    path.unlink()
        case "two classes":
            for other in ("square", "stripe"):
                shutil.rmtree(images / other)
        case "empty":
            shutil.rmtree(images)
            images.mkdir()
        case "missing":
            shutil.rmtree(images)
