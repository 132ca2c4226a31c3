"""What a request costs by the front that takes it; `python -m benchmarks fronts`.

`comparison` is the whole and says what is measured how; `bare` holds fronts that answer a constant, `processes`
several of them before one process that runs the model, `constant_model` what all of them answer, `identity` the same
of an artifact, for the server itself. What each gave, and what was kept: docs/decisions/0036.
"""
