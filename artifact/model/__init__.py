"""One artifact: the ONNX file, its manifest, its graph and its golden examples.

manifest says what an artifact is, file reads and verifies it byte by byte, graph and notes look into the ONNX model,
golden draws the pictures that it carries, description shows it to people. Nothing here runs a network, and nothing
knows of repositories.
"""
