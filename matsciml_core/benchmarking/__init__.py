"""Benchmarks: tables of runs, in parallel and resumable, and the pages that compare runs."""
