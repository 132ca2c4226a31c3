"""The embedded server: a repository over gRPC on one machine, with Triton's answers in Triton's words.

From the outside in: server (start and stop), grpc_service and grpc_messages (translation), models, families and loading
(which versions answer), servables, batcher and decoding (who runs them), signature and tensors (what a request is).
tuning measures how a model runs fastest here. gRPC's classes are known to the grpc_ files and to server, which listens;
tritonclient's generated ones to these and to model_config, which reads configs with them. No Python of a repository is
ever executed; nothing of the client is imported.
"""
