"""Usage of D1: when a plan's limit is reached, what a month costs, and what to do before.

study     forecasts, costs, and thresholds, from the usage of each day
meter     the days, and d1lab's own part of them by table, command, and report
actions   what the page advises
report    content of the page
"""
