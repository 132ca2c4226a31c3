"""The parts of a job made on a Ray cluster, and embeddings as a column of a Ray dataset.

scoring is an engine for serving/jobs, actors and parts its two sides, cluster the connection, resources the room.
Ray is imported where it is used and nowhere else in the project; only the driver writes to the output folder.
"""
