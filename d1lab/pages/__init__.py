"""Pages: a run as one HTML file, in other formats, and the index of all pages."""
