"""What a store of the data says about their origin."""

from __future__ import annotations

from matsciml_core.interfaces.dataset import Provenance
from matsciml_data_nomad.labels import LICENCE, REFERENCES, SOURCE

PROVENANCE = Provenance(source=SOURCE, licence=LICENCE, references=REFERENCES)
