"""Read a vocabulary, normalise, cut, and encode text to ids.

vocabulary      vocabulary folders and the tokenizers of others
normalization   text to words under the options of a vocabulary
cut_rule        where text may be cut
safe_cuts       the rules of the tokenizers that are known
scanner         text to chunks, each distinct chunk a number
hash_table      chunks to numbers
utf8            UTF-8 in kernels
characters      what becomes of single characters
wordpiece       WordPiece for new chunks
bytepairs       byte-level BPE for new chunks
chunk_ids       the ids of known chunks
encoder         text to ids
stream          lines in, pieces or ids out
"""
