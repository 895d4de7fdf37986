"""Learn a vocabulary: count words, merge pieces by a score, measure the result.

counting        chunks and words, counted
merging         the merge kernel
alphabet        the characters that are kept
greedy          which pieces WordPiece uses
train           from word counts to a vocabulary
quality         figures of a vocabulary
any_tokenizer   tokenizers of other makers, to compare
"""
