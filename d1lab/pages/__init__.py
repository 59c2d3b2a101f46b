"""From a run to a page: the runner, the HTML page, the charts' theme, the index."""
