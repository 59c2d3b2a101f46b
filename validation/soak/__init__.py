"""Soak test: simulate the demo shops day by day and check every report.

    python -m validation.soak            every report on 52 Mondays and on 60 consecutive days
    make soak

Modules: played_shop (writes of the app on a day), fresh (a fresh installation, and differences of
two results), step (one day: write, pull, run, check, measure), course (the days of a soak test,
resumable), creep (growth of cost, disk, and time), __main__ (the command).
"""
