"""Batches: some pictures at a time, read, packed into a request, run by a connection, unpacked.

runner > size (images of a request, found while running), sending (pixels or files, measured), packing (streams as
slots). A batch knows neither rows nor distances, nor who runs it: no import of windows or of connections.
"""
