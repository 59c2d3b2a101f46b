"""Pages: the HTML file of a run, its exports, and the index of all pages."""
