"""The protocol over gRPC: the servicer, the messages of inferences, and the health service. Translation only.

A method here reads a message, makes one call into answering/ and writes the answer; it decides nothing.
"""
