"""Names in the scored folder that the fixture `scored` of tests/lookalike/commands/ makes."""

MODEL = ("--model", "tiny", "--repository", "models")
"""Options of the model that scored it."""

HOSTILE = "x' onerror=<b>.png"
"""One of its images: a name that is no text for a page unless it is escaped."""
