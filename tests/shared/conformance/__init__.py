"""Conformance of a server: checks that run alike against the embedded server and real Triton.

served (the repository, the connection, requests) under cases (wrong requests and their refusals) and the checks:
answers, parameters, refusals, versions. tests/serving/test_triton.py runs every one against both servers.
"""
