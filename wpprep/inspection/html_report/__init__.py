"""The report: one HTML page about vocabularies, shards and training runs.

    report(["vocab", "shards", "model"], "page.html", text=["held-out.txt"])

The page is one file that loads no other file and needs no network. Equal folders give equal bytes.

    vocabulary, shards, training   the section of a folder of each kind, made of `parts`
    parts                          sections, charts and tables
    page                           the kinds of the folders, and the page (page.html, page.css, page.js)
"""
