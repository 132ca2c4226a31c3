"""Answers, whatever the transport: inference (a request run), control (all else that is asked), refusals.

Nothing here knows gRPC or HTTP; each front maps a Code to its own numbers.
"""
