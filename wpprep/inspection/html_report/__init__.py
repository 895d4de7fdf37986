"""The report: one HTML page about vocabularies, shards and training runs, for people to look at.

    report(["vocab", "shards", "model"], "page.html", text=["held-out.txt"])

The page needs nothing but itself: no network, no other file. Equal folders give equal bytes.

    vocabulary, shards, training   what there is to say of a folder of each kind, as `parts`
    page                           which folder is what, and the parts as HTML (page.html, page.css, page.js)
"""
