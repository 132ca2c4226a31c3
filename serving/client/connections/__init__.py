"""Connections: whoever runs the artifact. local: this process; fleet: servers.

fleet > servers > connecting, fleet_server > grpc_connection > absence > calls > channels, status, after_fork; patience.
Calls are tried again in the fleet only; below it each is made once, and its failure becomes an error of
artifact/errors.py. Nothing here knows images, rows or batches.
"""
