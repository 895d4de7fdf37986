"""What people look at: instances, pieces, figures, pages.

    terminal      instances, vocabularies and differences in a terminal
    html_report   one page about vocabularies, shards and training runs
    charts        pictures of figures
    census        counts over the rows of shards
    diff          two shard folders compared
    find_rows     the rows that are shown

Not here: checks that decide whether data is sound (`shards.audit`, `pipeline.verify`).
"""
