"""The labels of ``mp``, in the order in which the store holds them. Imports no torch."""

from __future__ import annotations

from matsciml_core import TargetInfo

HULL_TOLERANCE = 1e-8
"""Energies above the hull up to this, eV/atom, are zero within rounding."""

TARGETS: tuple[TargetInfo, ...] = (
    TargetInfo(
        name="formation_energy_per_atom",
        kind="scalar",
        unit="eV/atom",
        description="Formation energy from the elements at 0 K, PBE and PBE+U mixed with the "
        "corrections that the Materials Project used at the time (table flla_2015).",
    ),
    TargetInfo(
        name="energy_above_hull",
        kind="scalar",
        unit="eV/atom",
        description="Energy above the convex hull of the database at the time (table flla_2015).",
    ),
    TargetInfo(
        name="is_stable",
        kind="binary",
        unit="class",
        description="1 where the crystal lies on that hull (energy above it at most 1e-8 eV/atom); "
        "a property of the database at the time, not of the crystal alone.",
    ),
    TargetInfo(
        name="band_gap",
        kind="scalar",
        unit="eV",
        description="Band gap by PBE or PBE+U, to 0.01 eV, of insulators only (the smallest has "
        "0.11 eV); metals are missing, not zero.",
    ),
    TargetInfo(
        name="space_group",
        kind="multiclass",
        unit="class",
        num_classes=230,
        description="International number minus one, computed from the stored structure by spglib "
        "with symprec 0.1 Å, the tolerance of the Materials Project.",
    ),
    TargetInfo(
        name="bulk_modulus_vrh",
        kind="scalar",
        unit="GPa",
        description="Bulk modulus, Voigt-Reuss-Hill average of the PBE elastic tensor.",
    ),
    TargetInfo(
        name="shear_modulus_vrh",
        kind="scalar",
        unit="GPa",
        description="Shear modulus, Voigt-Reuss-Hill average of the PBE elastic tensor.",
    ),
    TargetInfo(
        name="poisson_ratio",
        kind="scalar",
        unit="dimensionless",
        description="Isotropic Poisson ratio from the two Voigt-Reuss-Hill moduli.",
    ),
    TargetInfo(
        name="refractive_index",
        kind="scalar",
        unit="dimensionless",
        description="Square root of the polycrystalline electronic dielectric constant, to 0.01; "
        "insulators only.",
    ),
    TargetInfo(
        name="dielectric_constant_electronic",
        kind="scalar",
        unit="dimensionless",
        description="Electronic dielectric constant, mean of the tensor's eigenvalues, density "
        "functional perturbation theory with PBE or PBE+U; insulators only.",
    ),
    TargetInfo(
        name="dielectric_constant_total",
        kind="scalar",
        unit="dimensionless",
        description="Static dielectric constant, electrons and ions, mean of the tensor's "
        "eigenvalues; insulators only.",
    ),
    TargetInfo(
        name="piezoelectric_modulus",
        kind="scalar",
        unit="C/m²",
        description="Largest longitudinal piezoelectric modulus over all directions; insulators "
        "without a centre of inversion only.",
    ),
)
"""The first one is what ``run`` trains when no target is named."""
