"""The server's REST front: Triton's paths and JSON, with the binary tensor extension, on a kept ASGI stack.

A request becomes requests.Request and an answering.Answer becomes a response; what is in between is answering's.
"""
