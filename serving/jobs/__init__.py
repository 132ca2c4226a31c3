"""Jobs: tables of images scored into folders of vectors, which a killed job, a shard or another machine goes on with.

scoring runs a job, part_scoring makes its parts from row_windows; folder, claiming, job_manifest and part_files keep
them on disk; shards and merging divide and join, retrying mends bad rows, loss_column and arrays add to the output.
A part follows from its rows alone, to the byte. Nothing here talks to a server: that is the Scorer's (client/).
"""
