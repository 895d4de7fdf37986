"""Text files to documents and sentences.

    inputs          the files that a path, URL, pattern, list or folder names
    readers         files to documents, one module per format (readers/mediawiki: Wikipedia dumps)
    filters         filters on single documents: length, number of sentences, sample
    dedup_and_mix   filters over the whole corpus: duplicates, proportions, maximum number of documents
    sentences       the text of a document to sentences
    tasks           the corpus as tasks of about equal size, and its identity
    facts           the corpus statistics recorded in a manifest
    text_lines      the lines of a UTF-8 text file, numbered

Other wings may import every public name of these modules; of `readers` and its modules, only the names in
``readers.__all__``. Not here: tokenization (`wpprep.tokenizer`) and whole jobs (`wpprep.pipeline`).
"""
