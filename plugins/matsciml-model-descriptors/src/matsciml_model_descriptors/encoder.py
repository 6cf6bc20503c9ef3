"""The encoder ``descriptors``: features of composition and structure, and nothing to learn."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from matsciml_core import CrystalBatch, Embedding, Encoder, Neighbourhood
from matsciml_core.data.symmetry.orbits import find_space_group
from matsciml_core.interfaces.crystal_systems import FIRST_SPACE_GROUPS
from matsciml_core.nn.element_descriptors import element_descriptors
from matsciml_model_descriptors.composition import Composition
from matsciml_model_descriptors.config import DescriptorsConfig
from matsciml_model_descriptors.surroundings import WIDTH, Surroundings, node_statistics

_ABUNDANCES, _DENSITIES, _NODE_STATISTICS = 4, 3, 4
"""Numbers of columns."""
_DENSITY_OF_WATER = 1.66053907
"""Grams per cubic centimetre that one atomic mass unit per Å³ is."""


class Descriptors(Encoder):
    """Describes crystals without learning anything.

    The embedding of a crystal is made of statistics over its atoms of the standardised descriptors
    of their elements (Ward et al. 2016); density, volume per atom and packing; and, where distances
    are described, of statistics of the surroundings of its atoms, the mean difference of the
    descriptors across its bonds, and a histogram of distances. That of an atom is the descriptors
    of its element and its own surroundings. Everything is a mean or an extreme over atoms, so that
    a supercell is described as its primitive cell.
    """

    table: Tensor
    """Standardised descriptors of the elements by atomic number, ``(119, columns)``,
    dimensionless. Part of the state, so that a model predicts the same with a later table."""
    radii: Tensor
    """Covalent radius by atomic number, ``(119,)``, Å."""
    masses: Tensor
    """Atomic mass by atomic number, ``(119,)``, u."""

    def __init__(self, config: DescriptorsConfig | None = None) -> None:
        """Read the table of the elements."""
        super().__init__(config)
        self.settings = config or DescriptorsConfig()
        elements = element_descriptors()
        column = dict(zip(elements.names, elements.values.T, strict=True))
        table = torch.tensor(elements.standardised, dtype=torch.get_default_dtype())
        self.register_buffer("table", table)
        for name, source in (("radii", "covalent_radius_cordero"), ("masses", "atomic_mass")):
            self.register_buffer(name, torch.tensor(column[source]).to(self.table.dtype))
        columns, settings = len(elements.names), self.settings
        self.atom_width = columns
        self.crystal_width = columns * len(settings.statistics) + _ABUNDANCES + _DENSITIES
        self.neighbours = None
        if settings.distances:
            self.neighbours = Neighbourhood(cutoff=settings.cutoff, uses="lengths")
            self.atom_width += WIDTH
            self.crystal_width += _NODE_STATISTICS * WIDTH + columns + settings.bins
        if settings.symprec is not None:
            self.crystal_width += 1 + len(FIRST_SPACE_GROUPS)

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Describe a batch."""
        settings, dtype = self.settings, batch.positions.dtype
        table = self.table.to(dtype)
        composition = Composition.of(batch, len(table))
        statistics = composition.statistics(table)
        atoms = [table.index_select(0, batch.atomic_numbers)]
        crystals = [statistics[name] for name in settings.statistics]
        crystals += [composition.abundances(), self._densities(batch, composition)]
        if settings.distances:
            around = Surroundings.of(batch, self.radii.to(dtype), settings.cutoff)
            values, total = around.of_nodes()
            atoms.append(around.graph.to_atoms(values))
            crystals.append(node_statistics(values, around.graph.nodes))
            crystals.append(around.differences(table, total))
            if settings.bins:
                crystals.append(around.histogram(settings.bins))
        if settings.symprec is not None:
            crystals.append(self._symmetry(batch, settings.symprec))
        return Embedding(atoms=torch.cat(atoms, dim=1), crystals=torch.cat(crystals, dim=1))

    def _densities(self, batch: CrystalBatch, composition: Composition) -> Tensor:
        """Return the logarithm of the volume per atom (Å³), mass density (g/cm³), and packing.

        Packing is the volume of spheres with the covalent radii as a share of the cell's.
        """
        properties = torch.stack((self.masses, 4 / 3 * math.pi * self.radii**3), dim=1)
        means = composition.mean(
            properties.to(batch.cell.dtype).index_select(0, composition.numbers)
        )
        volume = torch.linalg.det(batch.cell).abs().unsqueeze(1) / batch.atoms_per_crystal[:, None]
        scale = means.new_tensor((_DENSITY_OF_WATER, 1.0))
        return torch.cat((volume.log(), scale * means / volume), dim=1)

    def _symmetry(self, batch: CrystalBatch, symprec: float) -> Tensor:
        """Return the space group's number / 230 and its crystal system, ``(crystals, 8)``."""
        plain = batch.without_edges().to("cpu", torch.float64)
        numbers = [find_space_group(crystal, symprec) or 1 for crystal in plain.crystals()]
        groups = torch.tensor(numbers, device=batch.cell.device)
        starts = torch.tensor(list(FIRST_SPACE_GROUPS.values())[1:], device=groups.device)
        systems = functional.one_hot(
            torch.bucketize(groups, starts, right=True), len(FIRST_SPACE_GROUPS)
        )
        return torch.cat((groups.unsqueeze(1) / 230, systems), dim=1).to(batch.cell.dtype)
