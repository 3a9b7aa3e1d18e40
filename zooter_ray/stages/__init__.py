"""The Ray layer: one stage per file, each with one public `run`."""
