"""Maps: vectors laid out in the plane by a method, kept as a table, and new vectors placed among them.

laying_out    `lay_out`: a table and a method    placing    `place`: new rows on an old map    layout    what both give
methods       by name, with what each needs      anchors    rows that have a place, and the place of others among them
by_umap and by_pacmap are the only files that load those packages, and only when called. Nothing is drawn here.
"""
