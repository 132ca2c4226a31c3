"""Images to vectors, many images in a request, over HTTP with Python's standard library and nothing else.

    python embed_http.py 127.0.0.1:8000 digits a.png b.jpg ...

Prints a JSON line for each image. The server decodes and resizes: files are sent as they are, behind a JSON head.
"""

import http.client
import json
import struct
import sys
from pathlib import Path

IMAGES_PER_REQUEST = 32  # the published models take up to 64


def embed(connection: http.client.HTTPConnection, model: str, files: list[str]) -> list[list[float]]:
    """A vector for each JPEG, PNG, WebP, ... file, in order; one bad file refuses the request."""
    images = [Path(file).read_bytes() for file in files]
    data = b"".join(struct.pack("<I", len(image)) + image for image in images)
    size = {"binary_data_size": len(data)}
    tensor = {"name": "image", "datatype": "BYTES", "shape": [len(images), 1], "parameters": size}
    head = json.dumps({"inputs": [tensor]}).encode()
    # behind a token: one header more, {"Authorization": "Bearer ..."}
    headers = {"Inference-Header-Content-Length": str(len(head))}
    connection.request("POST", f"/v2/models/{model}_encoded/infer", head + data, headers)
    answer = json.loads(connection.getresponse().read())
    if "error" in answer:  # names every bad image of the request, and why
        raise ValueError(answer["error"])
    output = answer["outputs"][0]
    rows, dims = output["shape"]
    return [output["data"][row * dims : (row + 1) * dims] for row in range(rows)]


def main() -> int:
    """Embed the files named on the command line."""
    address, model, *files = sys.argv[1:]
    # behind TLS: HTTPSConnection(address, context=ssl.create_default_context(cafile="ca.pem"))
    connection = http.client.HTTPConnection(address, timeout=60)
    for first in range(0, len(files), IMAGES_PER_REQUEST):
        some = files[first : first + IMAGES_PER_REQUEST]
        try:
            vectors = embed(connection, model, some)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        for file, vector in zip(some, vectors, strict=True):
            print(json.dumps({"image": file, "embedding": vector}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
