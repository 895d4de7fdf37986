"""Access to disks and buckets.

    place        paths and URLs as users give them
    files        reading, and writing without half-made files
    output_file  output files that a user names
    remote       requests to buckets and other remote stores
    ranges       parts of a remote file
    cache        local copies of remote files and folders
    manifest     the record of a finished folder
    json_files   JSON, read with a check of its form
    arrays       conversion between NumPy and Arrow arrays
    tfrecords    TFRecord files

Not here: what a file means (`corpus`, `shards`, `vocab`).
"""
