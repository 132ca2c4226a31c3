"""Faults that a server has to bear: malformed requests, hours of load, kills, reloads, full disks.

Each benchmark has a short form, of the same code with smaller numbers, in tests/serving/faults/.
"""
