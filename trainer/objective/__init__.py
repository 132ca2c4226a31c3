"""The objective: a batch's vectors to one loss. Distances of a batch, mining of tuples, and reduction to one number.

The formulas of losses and distances lie in artifact/losses and artifact/distances; here they meet tensors. A user's own
loss is found and tried out here too (own_loss.py). Not here: configuration, how batches are drawn, networks.
"""
