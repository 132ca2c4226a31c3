"""The embedded server: a repository on one machine, with Triton's answers in Triton's words.

From the outside in: server (start and stop), over_grpc (translation), answering (what is said to whom, whatever the
transport), tuning (what runs fastest here), models (which versions answer, and how), batching (who runs when), requests
(what a request is). Only over_grpc and server know gRPC, only requests and below know nothing of models; tritonclient's
generated classes are known to over_grpc, answering/control and models/model_config. No Python of a repository is ever
executed; nothing of the client is imported.
"""
