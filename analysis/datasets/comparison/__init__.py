"""Two sets of pictures compared by their vectors, without labels: do they differ, in which pictures, in which regions.

comparing puts the answer (comparison) together and writes it; difference_test, domain_classifier, neighbour_shares,
regions and class_shifts each answer one question; two_sets holds both tables as one matrix, relabellings what chance
alone would give, landmarks the kernel features that test and classifier share. Pages and printing stand elsewhere.
"""
