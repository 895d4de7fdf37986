"""Everything that touches a disk or a bucket.

    files       paths and URLs, reading, and writing without half-made files
    remote      buckets and other remote stores
    ranges      parts of a remote file
    cache       local copies of remote folders
    manifest    the record of a finished folder
    arrays      NumPy files
    tfrecords   TFRecord files

Not here: what a file means (`corpus`, `shards`, `vocab`).
"""
