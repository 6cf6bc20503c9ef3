"""What is read, as records; imported with the plugin, hence light."""

from __future__ import annotations

from matsciml_core import ReaderSpec

_PACKAGE = "matsciml_reader_tables"
FORMATS = (
    ReaderSpec(
        name="csv",
        summary="Tables with a column of CIF, POSCAR or JSON.",
        class_path=f"{_PACKAGE}.csv_table:CSVReader",
        suffixes=(".csv",),
        samples=f"{_PACKAGE}.samples:csv_samples",
    ),
    ReaderSpec(
        name="json",
        summary="Records in lists and mappings: pandas, MatPES, MPtrj, Alexandria, JARVIS.",
        class_path=f"{_PACKAGE}.json_table:JSONReader",
        suffixes=(".json",),
        samples=f"{_PACKAGE}.samples:json_samples",
    ),
    ReaderSpec(
        name="jsonl",
        summary="A record of JSON in each line.",
        class_path=f"{_PACKAGE}.json_table:JSONLinesReader",
        suffixes=(".jsonl", ".ndjson"),
        samples=f"{_PACKAGE}.samples:jsonl_samples",
    ),
    ReaderSpec(
        name="parquet",
        summary="Parquet of LeMat, Alexandria, OC22 and ColabFit.",
        class_path=f"{_PACKAGE}.parquet:ParquetReader",
        config=f"{_PACKAGE}.config:ParquetConfig",
        suffixes=(".parquet",),
        folder_files=("*.parquet",),
        cartesian=True,
        requires=("pyarrow",),
        writer=f"{_PACKAGE}.parquet_writer:write_crystals",
        samples=f"{_PACKAGE}.parquet_samples:parquet_samples",
    ),
)
