"""The report as people read it: terminal, Markdown, one HTML page, plots, CSV."""
