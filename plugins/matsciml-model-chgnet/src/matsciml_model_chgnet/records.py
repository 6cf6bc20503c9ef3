"""What the registry learns of the pretrained models; nothing here is heavy."""

from __future__ import annotations

from matsciml_core import PretrainedSpec, Reference
from matsciml_core.interfaces.elements import symbol

PAPER = Reference(
    key="deng2023chgnet",
    authors="Deng, Bowen and Zhong, Peichen and Jun, KyuJung and Riebesell, Janosh and Han, Kevin "
    "and Bartel, Christopher J. and Ceder, Gerbrand",
    title="CHGNet as a pretrained universal neural network potential for charge-informed atomistic "
    "modelling",
    venue="Nature Machine Intelligence 5, 1031-1041",
    year=2023,
    doi="10.1038/s42256-023-00716-3",
)
TRANSFER = Reference(
    key="huang2025transfer",
    authors="Huang, Xu and Deng, Bowen and Zhong, Peichen and Kaplan, Aaron D. and Persson, "
    "Kristin A. and Ceder, Gerbrand",
    title="Cross-functional transferability in foundation machine learning interatomic potentials",
    venue="npj Computational Materials 11",
    year=2025,
    doi="10.1038/s41524-025-01796-y",
)
SYMBOLS = tuple(symbol(number) for number in (*range(1, 84), *range(89, 95)))
"""The elements that the weights were trained on: those up to plutonium, without polonium to
radium, of which the network returns numbers all the same."""
LIMITS = (
    "Polonium to radium and all beyond plutonium are rejected: no training crystal held them.",
    "An atom without a neighbour within 6 Å is rejected: its energy means nothing.",
    "What is not periodic in all three directions has energy and forces, and no stress.",
    "Moments are magnitudes: the order of spins is neither input nor output.",
    "Forces do not follow displacements of less than about 0.03 Å where three atoms are in line, "
    "as in rock salt: the optic mode of MgO at Γ is 10.3 THz with 0.1 Å, 8.9 with 0.01 and "
    "imaginary with 0.001. Take 0.03 to 0.1 Å for phonons, and compare two.",
    "Relaxations converge with --fmax 0.005; 0.05 leaves a third of the crystals of the Materials "
    "Project as they were.",
    "float32: forces of different cells of one crystal agree to 1e-4 eV/Å.",
)


def chgnet() -> PretrainedSpec:
    """Return the record of CHGNet 0.3.0."""
    return PretrainedSpec(
        name="chgnet",
        summary="CHGNet 0.3.0: energy, forces, stress and moments of 89 elements, PBE(+U).",
        class_path="matsciml_model_chgnet.weights:build",
        requires=("matsciml-head-forces", "matsciml-head-property"),
        references=(PAPER,),
        licence="BSD-3-Clause (of the package; the weights have no statement of their own)",
        encoder="chgnet",
        weights="chgnet 0.4.2 on PyPI, chgnet_0.3.0_e29f68s314m37.pth.tar",
        digest="d14ab7c0f093efe64b60a7bcd540bca10e74fb7f46c86108a079af60524659d1",
        functional="PBE, with U for oxides and fluorides as in the Materials Project, corrected",
        trained_on="MPtrj: 1.58 million frames of 146,000 relaxations of the Materials Project",
        seen=("mp",),
        elements=SYMBOLS,
        limits=LIMITS,
    )


def chgnet_r2scan() -> PretrainedSpec:
    """Return the record of the weights that were carried over to r2SCAN."""
    return PretrainedSpec(
        name="chgnet-r2scan",
        summary="CHGNet carried over to r2SCAN: energy, forces, stress and moments, 88 elements.",
        class_path="matsciml_model_chgnet.weights:build",
        requires=("matsciml-head-forces", "matsciml-head-property"),
        references=(PAPER, TRANSFER),
        licence="BSD-3-Clause (of the package; the weights have no statement of their own)",
        encoder="chgnet",
        weights="chgnet 0.4.2 on PyPI, chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
        digest="8eba3db0f35a2788bb3ae22885ad340591e27996f213c6643af522a633b50dad",
        functional="r2SCAN",
        trained_on="MP-r2SCAN, from the weights of CHGNet 0.3.0, which had seen MPtrj",
        seen=("mp",),
        elements=tuple(name for name in SYMBOLS if name != "Yb"),
        limits=(
            "Ytterbium is rejected: the weights return energies without meaning for it.",
            "Energies lie up to 55 eV/atom from those of PBE; never mix the two.",
            *LIMITS,
        ),
    )
