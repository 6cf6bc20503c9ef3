"""What the dataset ``oqmd`` declares, from ``dataset.toml``. Imports no torch."""

from matsciml_core import read_dataset_spec

SPEC = read_dataset_spec(__file__)
