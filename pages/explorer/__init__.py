"""The explorer's page: plain data in, one HTML file out that opens from disk without a network; or a local server's.

data says what goes in, writer puts the file together, page.py beside it knows the scripts (*.js, in the order in which
they are read), the style and the template. server is the page on request, by the callables of answers, behind guard.
vendor/ holds what comes from npm, bundled. Nothing is computed here.
"""
