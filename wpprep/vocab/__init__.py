"""Vocabularies: count the words of a corpus, merge pieces by a score, write and read the result."""
