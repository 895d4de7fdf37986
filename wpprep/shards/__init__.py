"""Rows on disk and back: shards of instances and token stores.

format         one shard: its columns, written and read
folder         a finished folder of shards
token_store    encoded documents on disk
token_source   a token store as the source of shards
split          documents dealt into held-out ones and shards
loader         batches for a trainer
order          the order of rows over epochs and ranks
audit          rows checked against the rules
"""
