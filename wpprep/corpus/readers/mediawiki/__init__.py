"""MediaWiki dumps: XML to pages, wikitext to prose.

dump        the XML of a dump, cut into slices; its pages as documents
streams     compressed streams of a multistream dump
markup      wikitext to text: links, tables, references
templates   templates that print text
formulas    <math> and its kind
lines       headings, lists and paragraphs
wikitext    the passes in order
"""
