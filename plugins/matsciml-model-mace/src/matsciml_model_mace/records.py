"""What to cite; nothing here is heavy."""

from __future__ import annotations

from matsciml_core import Reference

PAPER = Reference(
    key="batatia2022mace",
    authors="Batatia, Ilyes and Kovács, Dávid Péter and Simm, Gregor N. C. and Ortner, "
    "Christoph and Csányi, Gábor",
    title="MACE: Higher Order Equivariant Message Passing Neural Networks for Fast and "
    "Accurate Force Fields",
    venue="Advances in Neural Information Processing Systems 35",
    year=2022,
    doi="10.48550/arXiv.2206.07697",
)
