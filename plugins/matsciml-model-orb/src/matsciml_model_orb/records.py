"""What to cite; nothing here is heavy."""

from __future__ import annotations

from matsciml_core import Reference

PAPER = Reference(
    key="rhodes2025orb",
    authors="Rhodes, Benjamin and Vandenhaute, Sander and Šimkus, Vaidotas and Gin, James and "
    "Godwin, Jonathan and Duignan, Tim and Neumann, Mark",
    title="Orb-v3: atomistic simulation at scale",
    venue="arXiv",
    year=2025,
    doi="10.48550/arXiv.2504.06231",
)
