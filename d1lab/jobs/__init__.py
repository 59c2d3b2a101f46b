"""Jobs: decide what is due, run it two at a time, record it, and delete old runs.

ledger.py   which runs there were; leases, so that no two processes do the same work
due.py      a report is due when its notebook, its data or our code changed since its last run
run.py      `run_reports`: plan, run, page, push, index; `run_jobs` for what is planned already
prune.py    removing old runs
"""
