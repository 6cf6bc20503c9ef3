"""What ``s2ef`` and ``is2re`` declare: a file each, and one for what they share. No torch."""

from matsciml_core import read_dataset_spec

S2EF = read_dataset_spec(__file__, "oc20.toml", "s2ef.toml")
IS2RE = read_dataset_spec(__file__, "oc20.toml", "is2re.toml")
