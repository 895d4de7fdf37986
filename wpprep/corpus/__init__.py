"""Text to documents and sentences.

    inputs          which files a path, pattern, list or folder names
    readers         files to documents, a module for each format (readers/mediawiki: dumps)
    filters         which documents are used, one at a time
    dedup_and_mix   which documents are used, over the whole corpus: duplicates, samples, weights
    sentences       a document's text to sentences
    tasks           a corpus cut into tasks, and its identity
    facts           what a manifest records about a corpus
    text_lines      lines of a text file or of standard input

Not here: tokens (`tokenizer`), and the order of a whole job (`pipeline`).
"""
