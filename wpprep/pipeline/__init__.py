"""Whole jobs, one module for each command.

Each command of `cli` calls the public function of the module with its name. `counting_task` and `shard_task`
define the tasks of workers, `shard_folder` fills a shard folder, and `cluster_plan` estimates time and memory
for several nodes. The order of the stages of a job is defined only here.
"""
