"""What label_errors.py rests on: every label judged by what the other vectors say of it (judging.py).

cases, class_sums               distinct vectors with their labels, copies once; what each class adds up to
neighbour_views, class_views    votes and distances of neighbours; a ridge classifier and centres without the row
planting, mixing                errors are planted, and tell what each view counts
share_wrong, confidence         how many labels are wrong, and how sure one may be of each
"""
