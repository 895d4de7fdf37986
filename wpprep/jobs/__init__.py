"""Jobs: the tasks of a command run once each, on any number of workers and nodes, and resumed after a stop.

    job       one command at work in its output folder
    output    the output folder: begun, resumed, finished
    plans     plans, receipts and manifest entries as plain values
    receipts  records of finished tasks
    resume    running the tasks that have no receipt
    engines   where tasks run: this process, worker processes, a Dask cluster
    nodes     several nodes that fill one folder
    claims    tasks shared by several nodes
    lock      one run at a time in a folder
    upload    an output folder in a bucket
    summary   results of the public functions

Not here: the tasks themselves (`pipeline`).
"""
