"""Rows on disk and back: shards of instances, and token stores.

    format         the columns of one shard file, written and read
    folder         a finished folder of shards, opened
    token_store    encoded documents on disk
    token_source   a finished token store as the source of shards
    split          the assignment of documents to splits and shards
    loader         batches of NumPy arrays for a trainer
    order          the order of rows over epochs and ranks
    audit          checks of the contents of rows

From outside use `Loader`, `ShardFolder`, `TokenStore` and the functions of `format`, `split` and `audit`. This
wing does not make instances (`instances`) and does not run jobs (`pipeline`).
"""
