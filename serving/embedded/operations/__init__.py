"""Operations: what an operator sees of the server. A recorder of requests, metrics, logs and spans.

The recorder is told of every request once, by answering; all else either hangs on it or reads what is counted anyway.
No transport is known here: the HTTP front serves the metrics.
"""
