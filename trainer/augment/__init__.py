"""Augmentation: random changes of whole batches of training images, on the device that trains.

augmentation.py applies them in order; warp, filters, colour and erasure are one sort of change each. May not be here:
reading images, and changes that make classes (turned and mirrored images: trainer/data).
"""
