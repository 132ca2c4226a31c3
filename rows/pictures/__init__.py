"""Pictures of the rows of a table of vectors: joined with a table of images by id, small ones, sheets of them.

joined reads a table of images once, in order (ahead: by threads; reading: one image; tally: what became of each row);
opened is the join for a table of vectors; thumbnail is one small picture, written the files of them that scoring
leaves, sprites many of them in few large ones.
Whoever shows pictures gets them here. Nothing is compared here and no page written.
"""
