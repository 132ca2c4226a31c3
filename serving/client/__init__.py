"""The client: images and tuples to vectors, by an artifact in this process or on servers.

scorer, async_scorer and their core (scorer_core) > answers, flow (windows through a pool) > windows (rows and their
distinct images), batches > reading, connections > pictures, chunks, options, connection (the seam to whoever runs the
artifact), timings. Nothing here knows tables on disk, jobs or the command line.
"""
