"""Tokenizer: read a vocabulary, normalise text, cut it into chunks and encode these to ids.

vocabulary      vocabulary folders, and tokenizer files written by other tools
normalization   text to words, under the options of a vocabulary
cut_rule        rules for where text may be cut
safe_cuts       the rules of the supported tokenizers
scanner         text to chunks; every distinct chunk has a number, its code
hash_table      chunks to codes
utf8            UTF-8 in kernels
characters      the result of normalising and splitting single characters
wordpiece       WordPiece for new chunks
bytepairs       byte-level BPE for new chunks
chunk_ids       the ids of known chunks
encoder         text to ids
stream          lines to pieces or ids

For use by other wings: `Vocabulary`, `write_vocabulary` and `copy_vocabulary`; `Encoder`, `encoded_lines` and
`tokenize`; `TextRules` and `counting_rule`; `CutRule`, `blank_rule`, `ChunkTable` and `tally`, for counting;
and parts of kernels in `utf8` and `characters`. `wpprep.vocab` trains vocabularies, and `wpprep.corpus` splits
text into documents and sentences.
"""
