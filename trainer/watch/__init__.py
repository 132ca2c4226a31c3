"""Watching a run by its numbers: hints after an epoch, the guard against collapse, and the epoch that is kept.

All follows from the settings, the lines of metrics.jsonl and floats that are there anyway; Watch and CollapseGuard hold
what came before. May not be here: printing, files, tensors, torch; whoever calls says what was found.
"""
