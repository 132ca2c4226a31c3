"""Other people's ONNX models: read, looked at, completed and run as Triton would; none of our networks or companions.

What needs code, another file or a custom operator is refused with the reason. Nothing here knows how models are loaded
or by whom they are asked for, and nothing of our own artifacts.
"""
