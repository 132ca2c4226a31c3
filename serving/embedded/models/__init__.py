"""The models of a server: store (names, loads, leases) over families, loading, servables, instances and decoding.

Files are read here and nowhere else in the server. No transport is known, and no request but its checked arrays.
"""
