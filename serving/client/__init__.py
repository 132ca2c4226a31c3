"""The client: images, tuples and rows of attributes to vectors, by an artifact in this process or on servers.

scorer, async_scorer and their core (scorer_core) > answers, flow (windows through a pool), attributes > windows (rows
and their distinct images), batches > reading, connections > pictures, chunks, options, connection (the seam to whoever
runs the artifact), timings. Nothing here knows jobs or the command line.
"""
