"""The promises that all readers make, one test for each line of the scorecard."""

from __future__ import annotations

from matsciml_core.testing import ReaderContract


class TestCSV(ReaderContract):
    """What ``matsciml check csv`` checks."""

    spec_name = "csv"


class TestJSON(ReaderContract):
    """What ``matsciml check json`` checks."""

    spec_name = "json"


class TestJSONLines(ReaderContract):
    """What ``matsciml check jsonl`` checks."""

    spec_name = "jsonl"


class TestParquet(ReaderContract):
    """What ``matsciml check parquet`` checks."""

    spec_name = "parquet"
