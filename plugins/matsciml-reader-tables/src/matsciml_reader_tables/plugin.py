"""Registers the readers ``csv``, ``json`` and ``jsonl``."""

from collections.abc import Iterable

from matsciml_core import ReaderSpec, hookimpl


@hookimpl
def matsciml_readers() -> Iterable[ReaderSpec]:
    """Offer tables with a column of structures."""
    yield ReaderSpec(
        name="csv",
        summary="Tables with a column of CIF, POSCAR or JSON.",
        class_path="matsciml_reader_tables.csv_table:CSVReader",
        suffixes=(".csv",),
        samples="matsciml_reader_tables.samples:csv_samples",
    )
    yield ReaderSpec(
        name="json",
        summary="Records in lists and mappings: pandas, MatPES, MPtrj, Alexandria, JARVIS.",
        class_path="matsciml_reader_tables.json_table:JSONReader",
        suffixes=(".json",),
        samples="matsciml_reader_tables.samples:json_samples",
    )
    yield ReaderSpec(
        name="jsonl",
        summary="A record of JSON in each line.",
        class_path="matsciml_reader_tables.json_table:JSONLinesReader",
        suffixes=(".jsonl", ".ndjson"),
        samples="matsciml_reader_tables.samples:jsonl_samples",
    )
