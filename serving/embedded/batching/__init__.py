"""Requests that wait for one model version, merged into runs; and the counters of what came of them.

The batcher knows arrays and how to call a model, never a file, a config or a transport.
"""
