"""Counting of chunks of text, then of words, in memory or in sorted runs on disk.

counts        chunks and how often they occur
spelling      chunks to words, character by character
words         words and how often they occur
runs          counts that exceed the memory limit, sorted on disk and merged
counts_file   the folder of counts, and TSV files
"""
