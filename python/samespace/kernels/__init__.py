"""Kernels: pure functions on float32 matrices [n, d] that return Arrow record batches.

A kernel knows nothing of databases, keys or spaces: rows are positions 0..n-1 in the order in which
ties are broken, and the caller hands over rows of one space only.
"""
