"""Images to vectors, many images in a request, with NVIDIA's tritonclient and nothing of Lookalike.

    python embed.py 127.0.0.1:8001 digits a.png b.jpg ...

Prints a JSON line for each image. The server decodes and resizes: files are sent as they are.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton

IMAGES_PER_REQUEST = 32  # the published models take up to 64


def embed(client: triton.InferenceServerClient, model: str, files: list[str]) -> np.ndarray:
    """float32 [N, n]: a vector for each JPEG, PNG, WebP, ... file, in order; one bad file refuses the request."""
    images = np.array([[Path(file).read_bytes()] for file in files], dtype=object)  # [N, 1]
    image = triton.InferInput("image", images.shape, "BYTES")
    image.set_data_from_numpy(images)
    # behind a token: infer(..., headers={"authorization": "Bearer ..."})
    answer = client.infer(model + "_encoded", [image], client_timeout=60)
    return answer.as_numpy("embedding")


def main() -> int:
    """Embed the files named on the command line."""
    url, model, *files = sys.argv[1:]
    # behind TLS: InferenceServerClient(url, ssl=True, root_certificates="ca.pem")
    with triton.InferenceServerClient(url) as client:
        for first in range(0, len(files), IMAGES_PER_REQUEST):
            some = files[first : first + IMAGES_PER_REQUEST]
            try:
                vectors = embed(client, model, some)
            except triton.InferenceServerException as error:  # names every bad image of the request, and why
                print(error.message(), file=sys.stderr)
                return 1
            for file, vector in zip(some, vectors, strict=True):
                print(json.dumps({"image": file, "embedding": vector.tolist()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
