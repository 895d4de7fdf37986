"""Pairing, masking, dense rows and statistics: kernels over arrays, without files.

pairing      sentences to instances
masking      which tokens are predicted, and what replaces them
dense        padded columns
statistics   counts that a manifest records
"""
