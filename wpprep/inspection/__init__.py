"""Views of finished folders: instances, pieces, statistics, charts and pages.

    terminal      instances, vocabularies and differences in a terminal
    html_report   one HTML page about vocabularies, shards and training runs
    charts        charts as PNG and SVG
    census        counts over the rows of shards
    diff          comparison of two shard folders
    find_rows     rows of shards by number, document or text

From outside use `terminal.show`, `html_report.page.report` and the functions of `charts`. This wing does not
check data; `shards.audit` and `pipeline.verify` do.
"""
