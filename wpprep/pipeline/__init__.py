"""Whole jobs, one module for each command.

Each command of `cli` calls the public function of the module with its name; `counting_task` and `shard_task` are
what a worker does with one task, `shard_folder` is how a folder of shards comes about, and `cluster_plan` is the
schedule of several nodes. This is the only wing that knows the order of a whole job.
"""
