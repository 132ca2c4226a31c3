"""A triplet (or pair, or quartet) of images to their distances, with tritonclient and nothing of Lookalike.

    python compare.py 127.0.0.1:8001 digits_full anchor.png positive.png negative.png [anchor2.png ...]

Prints a JSON line for each tuple. A full model has an input for each stream, and tells their names itself.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton


def compare(client: triton.InferenceServerClient, model: str, tuples: list[list[str]]) -> dict[str, np.ndarray]:
    """{"distance_anchor_positive": float32 [N], ...}: the distances of N tuples of image files, one request."""
    streams = [tensor.name for tensor in client.get_model_metadata(model + "_encoded").inputs]
    inputs = []
    for stream, files in zip(streams, zip(*tuples, strict=True), strict=True):
        images = np.array([[Path(file).read_bytes()] for file in files], dtype=object)  # [N, 1]
        inputs.append(triton.InferInput(stream, images.shape, "BYTES"))
        inputs[-1].set_data_from_numpy(images)
    answer = client.infer(model + "_encoded", inputs, client_timeout=60)
    names = [output.name for output in answer.get_response().outputs if output.name.startswith("distance_")]
    return {name: answer.as_numpy(name)[:, 0] for name in names}


def main() -> int:
    """Compare the files named on the command line."""
    url, model, *files = sys.argv[1:]
    try:
        with triton.InferenceServerClient(url) as client:
            streams = len(client.get_model_metadata(model + "_encoded").inputs)
            tuples = [files[first : first + streams] for first in range(0, len(files), streams)]
            distances = compare(client, model, tuples)
    except triton.InferenceServerException as error:
        print(error.message(), file=sys.stderr)
        return 1
    for row, images in enumerate(tuples):
        print(json.dumps({"images": images} | {name: float(values[row]) for name, values in distances.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
