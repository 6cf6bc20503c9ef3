"""What to cite where a head of scikit-learn is used."""

from matsciml_core import Reference

SCIKIT_LEARN = Reference(
    key="pedregosa2011scikit",
    authors="Pedregosa, Fabian and others",
    title="Scikit-learn: Machine Learning in Python",
    venue="Journal of Machine Learning Research 12, 2825-2830",
    year=2011,
)
