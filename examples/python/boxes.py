"""Boxes in a picture to vectors by a region artifact, with NVIDIA's tritonclient and nothing of Lookalike.

    python boxes.py 127.0.0.1:8001 digits_regions photo.jpg 0.1,0.2,0.4,0.6 0.5,0.5,0.9,0.8 ...

A box is x1,y1,x2,y2 in shares of the picture, upright. Prints a JSON line for each box; the picture is sent once.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton


def embed_boxes(client: triton.InferenceServerClient, model: str, picture: bytes, boxes: np.ndarray) -> np.ndarray:
    """float32 [R, n]: a vector for each of the boxes, float32 [R, 4]."""
    image, given = np.array([[picture]], dtype=object), boxes[None].astype(np.float32)  # [N, 1], [N, R, 4]
    inputs = [triton.InferInput("image", image.shape, "BYTES"), triton.InferInput("boxes", given.shape, "FP32")]
    inputs[0].set_data_from_numpy(image)
    inputs[1].set_data_from_numpy(given)
    vectors: np.ndarray = client.infer(model + "_encoded", inputs, client_timeout=60).as_numpy("embedding")
    return vectors[0]


def main() -> int:
    """Embed the boxes that are named on the command line."""
    url, model, file, *texts = sys.argv[1:]
    boxes = np.array([[float(number) for number in text.split(",")] for text in texts], np.float32)
    try:
        with triton.InferenceServerClient(url) as client:
            vectors = embed_boxes(client, model, Path(file).read_bytes(), boxes)
    except triton.InferenceServerException as error:
        print(error.message(), file=sys.stderr)
        return 1
    for text, vector in zip(texts, vectors, strict=True):
        print(json.dumps({"box": text, "embedding": vector.tolist()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
