"""Count chunks of text, then words, in memory or in sorted runs on disk.

counts        chunks and how often they occur
spelling      chunks to words, spelled character by character
words         words and how often they occur
runs          counts that outgrow memory, sorted on disk and merged
counts_file   the folder of counts, and TSV files
"""
