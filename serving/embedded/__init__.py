"""The embedded server: a repository over gRPC, as Triton answers."""
