"""All tables of requests over REST, and the list of those whose servers differ, as docs/serving/conformance.md has it.

    python -m tests.shared.conformance.over_rest.differences

writes that list, between the two lines of the document that hold it.
"""

from __future__ import annotations

from pathlib import Path

from tests.shared.conformance.over_rest.case import REASONS, Table
from tests.shared.conformance.over_rest.control import CONTROL
from tests.shared.conformance.over_rest.inferences import INFERENCES
from tests.shared.conformance.over_rest.json_bodies import JSON_BODIES
from tests.shared.conformance.over_rest.outputs import OUTPUTS
from tests.shared.conformance.over_rest.parameters import PARAMETERS
from tests.shared.conformance.over_rest.paths import PATHS
from tests.shared.conformance.over_rest.tensors import TENSORS
from tests.shared.places import ROOT

TABLES: dict[str, Table] = {
    "inferences": INFERENCES,
    "json_bodies": JSON_BODIES,
    "tensors": TENSORS,
    "outputs": OUTPUTS,
    "parameters": PARAMETERS,
    "paths": PATHS,
    "control": CONTROL,
}
DOCUMENT = ROOT / "docs" / "serving" / "conformance.md"
BEGIN, END = "<!-- differences over REST: begin -->", "<!-- differences over REST: end -->"
_MOST = 110
"""Characters of an answer in the list."""


def differences() -> str:
    """The list, by reason."""
    rows = [(table, name, case) for table, cases in TABLES.items() for name, case in cases.items() if case.why]
    lines = []
    for why, text in REASONS.items():
        of_reason = [row for row in rows if row[2].why == why]
        assert of_reason, f"no row has the reason {why!r}"
        lines += [f"**{text}**", ""]
        if why == "json":
            names = ", ".join(f"{table}: {name}" for table, name, _ in of_reason)
            lines += [f"The words are the same. {len(of_reason)} rows: {names}.", ""]
            continue
        lines += ["| row | Triton 2.51 | Lookalike |", "|---|---|---|"]
        for table, name, case in of_reason:
            lines.append(f"| {table}: {name} | {_cell(case.triton.words())} | {_cell(case.expected('').words())} |")
        lines.append("")
    return "\n".join(lines)


def with_differences(document: str) -> str:
    """The document with the list as it is now."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{differences()}\n{END}{after}"


def _cell(words: str) -> str:
    short = words if len(words) <= _MOST else words[: _MOST - 3] + "..."
    return short.replace("|", "\\|").replace("<", "&lt;")


def main(document: Path = DOCUMENT) -> None:
    document.write_text(with_differences(document.read_text()))


if __name__ == "__main__":
    main()
