"""MediaWiki dumps: XML to pages, wikitext to prose.

    dump        the format wiki-dump: slices of the XML, and its pages as documents
    streams     the compressed streams of a multistream dump
    wikitext    wikitext to prose, in passes that the modules below implement
    markup      removal of comments, references, tables and unclosed markup
    templates   templates that print text
    formulas    TeX formulas as text
    lines       headings, lists and paragraphs

Other modules use `dump` only, as the reader of its format. This package does not expand templates from their
own pages.
"""
