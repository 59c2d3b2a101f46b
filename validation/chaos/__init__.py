"""Faults on purpose: kills, broken answers, broken files, hostile text, full disks.

make chaos          the campaign; prints its figures and writes docs/validation/chaos.md

kills.py            processes killed at random moments, then run again
answers.py          D1 over HTTP with one fault at one request; served.py is that D1
inputs.py           valid files and texts, mutated
hostile.py          hostile text on pages, in a browser, with and without the policy
disk.py             a disk that is full after some bytes
shop.py             the small project that all of them work on, and its state
tally.py            what is counted
"""
