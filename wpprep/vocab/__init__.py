"""Vocabulary learning: count words, merge pieces by a score, measure the result.

counting        counts of chunks and words
merging         the merge kernel
alphabet        the characters that are kept
greedy          which pieces WordPiece uses
train           word counts to a vocabulary
quality         statistics of a vocabulary on a text
any_tokenizer   tokenizers from other libraries, for comparison

This wing neither reads a corpus nor writes a vocabulary folder: that is done in `pipeline` and `tokenizer`.
"""
