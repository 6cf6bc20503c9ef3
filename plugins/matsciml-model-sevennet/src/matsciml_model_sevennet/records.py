"""What the registry learns of the pretrained models; nothing here is heavy."""

from __future__ import annotations

from dataclasses import replace

from matsciml_core import PretrainedSpec, Reference
from matsciml_core.interfaces.elements import symbol

PAPER = Reference(
    key="park2024sevennet",
    authors="Park, Yutack and Kim, Jaesun and Hwang, Seungwoo and Han, Seungwu",
    title="Scalable parallel algorithm for graph neural network interatomic potentials in "
    "molecular dynamics simulations",
    venue="Journal of Chemical Theory and Computation 20, 4857-4868",
    year=2024,
    doi="10.1021/acs.jctc.4c00190",
)
FIDELITIES = Reference(
    key="kim2025multifidelity",
    authors="Kim, Jaesun and Kim, Jisu and Kim, Jaehoon and Lee, Jiho and Park, Yutack "
    "and Kang, Youngho and Han, Seungwu",
    title="Data-efficient multifidelity training for high-fidelity machine learning interatomic "
    "potentials",
    venue="Journal of the American Chemical Society 147, 1042-1054",
    year=2025,
    doi="10.1021/jacs.4c14455",
)
SYMBOLS = tuple(symbol(number) for number in (*range(1, 84), *range(89, 95)))
"""The elements of the training data."""
LIMITS = (
    "Not symmetric under reflection: the energies of a crystal and its mirror image differ by up "
    "to 1.4e-3 eV/atom, its forces by up to 2e-2 eV/Å, and atoms on inversion centres feel up to "
    "1.1e-2 eV/Å. Relaxations lose the space group below that: of six crystals of low symmetry "
    "five lost their inversion centre at a tolerance of 0.001 Å.",
    "Polonium to radium and all beyond plutonium are rejected: no training crystal held them.",
    "An atom without a neighbour within 5 Å is rejected: its energy means nothing.",
    "What is not periodic in all three directions has energy and forces, and no stress.",
    "Relaxations converge with --fmax 0.005; 0.05 leaves half of the crystals of the Materials "
    "Project as they were.",
)
_WEIGHTS = "sevenn 0.13.0 on PyPI, "
_LICENCE = "MIT (of the package; the weights have no statement of their own)"
_PBE = "PBE, with U for oxides and fluorides as in the Materials Project, uncorrected"
_MPTRJ = "MPtrj: 1.58 million frames of 146,000 relaxations of the Materials Project"


_RECORD = PretrainedSpec(
    name="sevennet",
    summary="",
    class_path="matsciml_model_sevennet.weights:build",
    requires=("matsciml-head-forces",),
    references=(PAPER,),
    licence=_LICENCE,
    encoder="sevennet",
    weights="",
    digest="",
    functional=_PBE,
    trained_on=_MPTRJ,
    seen=("mp",),
    elements=SYMBOLS,
    limits=LIMITS,
)
"""What the records have in common."""


def sevennet_0() -> PretrainedSpec:
    """Return the record of SevenNet-0 of 11 July 2024."""
    return replace(
        _RECORD,
        name="sevennet-0",
        summary="SevenNet-0 (July 2024): energy, forces and stress of 89 elements, PBE(+U).",
        weights=f"{_WEIGHTS}SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
        digest="7052cb42b7b3be42b40b97fa0d21077a48c54b5548948fc4dcf346629f813c36",
    )


def sevennet_l3i5() -> PretrainedSpec:
    """Return the record of the larger network, with tensors of third rank."""
    return replace(
        _RECORD,
        name="sevennet-l3i5",
        summary="SevenNet-l3i5: more accurate than SevenNet-0 at 2.3 times the cost, PBE(+U).",
        weights=f"{_WEIGHTS}SevenNet_l3i5/checkpoint_l3i5.pth",
        digest="a7ff190d41efe5b8317a03d20a468e4036a1a3e64e0b14fdbab64ac3f4bfc09d",
    )


def sevennet_mf_0(level: str) -> PretrainedSpec:
    """Return the record of one level of theory of SevenNet-MF-0.

    Args:
        level: ``PBE`` or ``R2SCAN``.
    """
    pbe = level == "PBE"
    elements = SYMBOLS if pbe else tuple(name for name in SYMBOLS if name != "Yb")
    extra = (
        "Ytterbium is rejected: the weights return energies without meaning for it.",
        "Energies lie up to 55 eV/atom from those of PBE; never mix the two.",
    )
    return replace(
        _RECORD,
        name="sevennet-mf-0" if pbe else "sevennet-mf-0-r2scan",
        summary=f"SevenNet-MF-0, one network for two levels of theory, as {level}: energy, forces "
        "and stress.",
        references=(PAPER, FIDELITIES),
        weights=f"{_WEIGHTS}SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
        digest="81791329b37d445f46b531578c182c41792d98c7814222c9e5dde276402225fd",
        functional=_PBE if pbe else "r2SCAN",
        trained_on="MPtrj and MP-r2SCAN at once",
        elements=elements,
        limits=LIMITS if pbe else (*extra, *LIMITS),
    )
