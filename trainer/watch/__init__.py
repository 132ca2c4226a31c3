"""Watching a run by its numbers: hints after an epoch, the guard against collapse, and the epoch that is kept.

Pure functions of the lines of metrics.jsonl and of floats that are there anyway. May not be here: printing, files,
tensors; whoever calls says what was found.
"""
