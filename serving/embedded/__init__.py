"""The embedded server: a repository over gRPC on one machine, with Triton's answers in Triton's words.

From the outside in: server (start and stop), grpc_service and grpc_messages (translation), models, families and loading
(which versions answer), servables, batcher and decoding (who runs them), signature and tensors (what a request is).
tuning measures how a model runs fastest here. Only the grpc_ files know gRPC's classes; no Python of a repository is
ever executed; nothing of the client is imported.
"""
