"""Tables scored into folders of vectors: parts, manifest, resume, shards."""
