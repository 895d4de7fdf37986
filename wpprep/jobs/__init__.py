"""Run many tasks exactly once: engines, output folders, locks, claims, uploads, resuming.

    engines   where tasks run: this process, worker processes, a Dask cluster
    resume    run the tasks that have no receipt yet
    output    the output folder of a run: begun, resumed, finished
    lock      one run at a time in a folder
    claims    tasks shared by several nodes
    upload    an output folder in a bucket

Not here: what a task does (`pipeline`).
"""
