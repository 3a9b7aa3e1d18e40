"""Queries: sources, tagging, decontamination, sampling."""
