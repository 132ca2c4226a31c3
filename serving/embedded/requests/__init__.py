"""What a request is, whatever the transport: request, tensors, signature (the check against a model), parameters.

Words of refusals are Triton's. Nothing here knows a model in memory or a file.
"""
