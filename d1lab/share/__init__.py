"""Sharing: serve, publish, and send pages; snippets for schedulers.

serve      reports/ on this machine's loopback, with live reload
publish    finished pages to a folder or a static host
alerts     conditions on key figures: "days_of_supply_min < 7"
notices    notifications of changes since the last message
delivery_log  what was sent to which address, so that nothing is sent twice
send       notices delivered through Apprise
schedule   snippets for cron, systemd, GitHub Actions, and Kubernetes
"""
