"""Stores: the databases of other programs that tables of vectors are pushed to, a file and an extra for each.

push.py holds the order of work, store.py the interface of a store, programs.py the list of stores (a new one is one
line in STORES), place.py their URLs and label.py the label of a collection. Only a store's own file imports its
package, and nothing here imports analysis: what may be pushed together is a matter of lineage.
"""
