"""Tables of vectors into what the explorer's page shows: the one place that knows both analysis/ and pages/explorer/.

assembly puts it together, together is several tables as one, columns are Arrow's as the page has them, findings ask
analysis/datasets and say it as rows of a tab, pictures join thumbnails. served is the same for the page's server, with
an index, a model and tags; listening is its port. No HTML and no measure is made here.
"""
