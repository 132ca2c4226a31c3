"""Search in a catalogue of pictures, from a folder to a page, with the commands of Lookalike one after the other.

    python catalogue_search.py IMAGES QUERIES OUTPUT [--count N] [--length '--minutes M']

IMAGES holds one folder of pictures per class (or per product), QUERIES the pictures to search with. Triplets are drawn
from IMAGES by how their pixels resemble each other, a deep-ranking network is trained on them, every picture becomes a
vector, and OUTPUT/page.html shows the nearest of the catalogue beside each query. Prints each command before it runs.
Pictures that cannot be read are left out and told.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

LEFT_OUT = 3
"""What a command exits with that has done its work, but for some rows."""


def main() -> int:
    """Run the whole of it; the exit code is that of the first command that fails, or 3 where something is left out."""
    parser = argparse.ArgumentParser(description="Search in a folder of pictures.")
    parser.add_argument("images", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", default="5000", help="triplets to draw")
    parser.add_argument("--length", default="--minutes 1", help="how long to train, as lookalike train takes it")
    given = parser.parse_args()
    images, output = given.images, given.output
    triplets, vectors, index = output / "triplets.csv", output / "vectors", output / "catalogue.index"
    model = ["--model", "ranking", "--repository", output / "models"]
    train = ["train", triplets, "--kind", "triplet", "--base", "deep_ranking:conv4", "--loss", "triplet_capped"]
    commands = [
        ["triplets", images, "--relevance", "pixels", "--count", given.count, "--output", triplets],
        [*train, *given.length.split(), "--output", output / "ranking", "--deploy", output / "models"],
        ["score", images, *model, "--output", vectors],
        ["index", vectors, "--output", index],
        ["search", index, given.queries, *model, "-k", "5", "--images", images, "--gallery", output / "page.html"],
    ]
    code = 0
    for words in commands:
        command = ["lookalike", *map(str, words)]
        print(shlex.join(command), flush=True)
        done = subprocess.run([sys.executable, "-m", *command], check=False, stdout=subprocess.DEVNULL)
        if done.returncode not in (0, LEFT_OUT):
            return done.returncode
        code = code or done.returncode
    print(output / "page.html")
    return code


if __name__ == "__main__":
    sys.exit(main())
