"""The checks of an encoder, in the order of the scorecard."""

from __future__ import annotations

from matsciml_core.testing.checks import Check
from matsciml_core.testing.encoder import behaviour, geometry, gradients, symmetry
from matsciml_core.testing.settings import settings_checks

CHECKS: tuple[Check, ...] = (
    behaviour.construction,
    behaviour.widths,
    behaviour.neighbourhood,
    behaviour.finite,
    behaviour.precision,
    behaviour.determinism,
    symmetry.translation,
    symmetry.rotation,
    symmetry.reflection,
    symmetry.tensors,
    symmetry.permutation,
    symmetry.periodic_image,
    symmetry.lattice_basis,
    symmetry.supercell,
    symmetry.asymmetric_unit,
    symmetry.batch_equals_singles,
    symmetry.edge_order,
    geometry.one_atom_cell,
    geometry.isolated_atom,
    geometry.no_edges,
    geometry.all_elements,
    geometry.lattice_constant,
    geometry.sees_geometry,
    geometry.sees_species,
    geometry.uses_edges,
    geometry.smooth_cutoff,
    gradients.position_gradient,
    gradients.strain_gradient,
    gradients.force_training,
    gradients.every_parameter_trains,
    behaviour.missing_edges,
    behaviour.batch_untouched,
    behaviour.save_and_load,
    behaviour.copies,
    behaviour.accelerator,
    *settings_checks("encoder"),
)
