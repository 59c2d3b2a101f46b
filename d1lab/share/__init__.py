"""Sharing: serve, publish, and send pages; snippets for schedulers.

serve      reports/ on this machine's loopback, with live reload
publish    finished pages to a folder or a static host
alerts     conditions on key figures: "days_of_supply_min < 7"
notices    what is news about the latest runs, against what was told before
sent       what was told, and to which address, so that nothing is told twice
send       notices delivered through Apprise
schedule   snippets for cron, systemd, GitHub Actions and Kubernetes
"""
