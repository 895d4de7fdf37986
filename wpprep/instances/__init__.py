"""Pairing, masking, dense rows and statistics: kernels over arrays.

pairing      sentences to instances
masking      tokens to predict, and their replacements
dense        padded columns
statistics   counts recorded in manifests

This wing reads and writes no files.
"""
