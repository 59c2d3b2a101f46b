"""Many databases, one per shop or more: each is one unit of work, done by one process.

places       the folders of a fleet, and the settings of one of its databases
sources      databases listed from an account, a file, or a pattern
registry     the fleet's databases and their state, in SQLite
order        what a worker is asked to do, and how that ended
entry        one database in the registry, and when it is due again
unit         pull, run the reports, push, and keep the results of one database
failures     the kinds of failures: which are tried again
store        files of a fleet on a local disk or any host that fsspec knows
state        a database's warehouse, ledger, and pages, for workers that share no disk
prune        delete old runs, superseded states, and databases that are gone
pool         worker processes of this machine
dask_workers workers of a Dask cluster
dask_reports reports of one database on a Dask cluster
cluster      the connection to a Dask cluster
packing      folders as one archive
coordinator  give due databases to workers, and record how they end
marts        key figures, daily sums, and actions of all databases, as Parquet
study        figures of all shops, from the marts and the registry
report       content of the fleet's page
page         run the fleet's notebook, and write its page
"""
