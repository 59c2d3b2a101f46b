"""Play the demo's shops forward, day by day, and check every report on the way.

    python -m validation.soak            every report on 52 Mondays and on 60 consecutive days
    make soak

Modules: played_shop (what the app writes on a day), fresh (a fresh installation, and where two
results differ), step (one day: write, pull, run, check, measure), course (the days of a soak,
resumable), creep (whether the bill, the disk and the time grow), __main__ (the command).
"""
