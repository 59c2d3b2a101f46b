"""Jobs: decide what is due, run it, record it, and delete old runs.

due          whether a report's notebook, data, or code changed since its last run
run          run what is due: plan, run, create the page, push, write the index
job_result   the result of a job
push_staged  push the results of a job's run
push_queue   results that wait to be pushed together
ledger       the history of runs
leases       locks, so that no two processes do the same work
history      read access to the history of runs
run_cost     what D1 billed for a run
lost_results results of a last run that are no longer in D1
run_events   the log of runs
status       the state of each report, for the command `status`
prune        delete old runs
lineage      OpenLineage events of runs
prometheus   metrics of runs for Prometheus
"""
