"""Total energies as sums over atoms, with forces and stress as their derivatives."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, R2Score

from matsciml_core import (
    CrystalBatch,
    Embedding,
    Encoder,
    TargetInfo,
    TaskHead,
    Values,
    labels_of,
)
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.nn.dense import ACTIVATIONS, DenseStack
from matsciml_core.nn.element_fit import ELEMENTS, ElementFit, element_sums
from matsciml_core.nn.masked_loss import masked_loss
from matsciml_head_forces._fitting import Constants, fit_constants
from matsciml_head_forces.config import EnergyForcesConfig
from matsciml_head_forces.derivatives import derivatives
from matsciml_head_forces.metrics import ForceCosine

FIXED = "fixed"
"""The site property of atoms that were held in place."""
_CONSTANTS = ("mean", "std", "mean_energy_per_atom", "force_rms")


class EnergyForcesHead(TaskHead):
    """Predicts an energy, its forces, its stress, or several of them, from one function.

    E = Σ_i (σ y_i + μ) + Σ_Z n_Z w_Z, with y_i a perceptron of the embedding of atom i; forces are
    −∂E/∂x and the stress is (∂E/∂ε)/V, so that the forces are conservative and do not depend on
    what else is trained. w are per-element reference energies by least squares, μ and σ mean and
    spread of what they leave, all fitted in float64 on the training split. The head trains on
    (E/n − Σ_Z x_Z w_Z − μ)/σ, F/σ and stress/σ with the one σ that derivatives allow.

    Atoms whose site property ``fixed`` is 1 were held in place when the labels were made. What
    pulled at them says nothing about the motion of the others: their forces are neither trained on
    nor scored.

    In evaluation mode forces carry no graph; what is differentiated further must be in training
    mode.

    Raises:
        ConfigError: Two targets are of the same kind, or a kind is not one of the three.
        UnitError: An energy is not in eV, a force not in eV/Å, or a stress not in eV/Å³.
    """

    units: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "energy": ("eV",),
        "forces": ("eV/Å",),
        "stress": ("eV/Å³",),
    }
    needs_position_gradient = True

    mean: Tensor
    """μ, 0-dimensional float64, eV/atom."""
    std: Tensor
    """σ, 0-dimensional float64, eV (eV/Å for forces, eV/Å³ for stress)."""
    mean_energy_per_atom: Tensor
    """Mean of E/n over the training labels, 0-dimensional float64, eV/atom."""
    force_rms: Tensor
    """Root mean square of the training labels' force components, 0-dimensional float64, eV/Å."""
    references: Tensor
    """w, ``(119,)`` float64, eV."""
    composition: Tensor
    """What composition alone says of the labels, ``(119,)`` float64, eV per atom: w + μ, unless the
    head started from a trained one. A baseline to compare with."""
    mean_stress: Tensor
    """Mean of the training labels, ``(3, 3)`` float64, eV/Å³."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: EnergyForcesConfig | None = None,
    ) -> None:
        """Build the perceptron."""
        super().__init__(targets, atom_width, crystal_width, config)
        self.settings = config or EnergyForcesConfig()
        self.by_kind: dict[str, TargetInfo] = {info.kind: info for info in self.targets}
        if len(self.by_kind) != len(self.targets) or not self.by_kind.keys() <= self.units.keys():
            named = ", ".join(f"{info.name} ({info.kind})" for info in self.targets)
            raise ConfigError(
                "The head 'energy-forces' predicts at most one energy, its forces and its stress, "
                f"not {named}; choose other targets, or another head."
            )
        self._find_derivatives()
        # The last layer does not start at zero: untrained encoders hardly move when atoms do, and
        # would get no gradient to speak of until it has grown. It has no bias: a constant per atom
        # is in μ already, it has no force, and forces alone would never train it.
        self.layers = DenseStack(
            atom_width,
            (*self.settings.hidden, 1),
            ACTIVATIONS[self.settings.activation],
            last_bias=False,
        )
        for name in _CONSTANTS:
            start = torch.ones if name == "std" else torch.zeros
            self.register_buffer(name, start((), dtype=torch.float64))
        self.register_buffer("references", torch.zeros(ELEMENTS, dtype=torch.float64))
        self.register_buffer("composition", torch.zeros(ELEMENTS, dtype=torch.float64))
        self.register_load_state_dict_pre_hook(_add_composition)
        self.register_buffer("mean_stress", torch.zeros(3, 3, dtype=torch.float64))

    def _find_derivatives(self) -> None:
        """Note what the targets differentiate with respect to."""
        self.needs_position_gradient = bool(self.by_kind.keys() - {"energy"})
        self.needs_cell_gradient = "stress" in self.by_kind

    def restricted(self, names: Sequence[str]) -> EnergyForcesHead:
        """Return a head for some of the targets: energies alone are not differentiated."""
        # Shallow: parameters and buffers are the same tensors, which a device or dtype moves once.
        head = copy.copy(self)
        head.targets = tuple(info for info in self.targets if info.name in names)
        head.by_kind = {info.kind: info for info in head.targets}
        head._find_derivatives()
        return head

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Fit reference energies, mean and spread on the training labels.

        Raises:
            DataError: No crystal has any of the labels, or there is nothing to learn.
        """
        found = fit_constants(training, self.by_kind, self.mask)
        for name in (*_CONSTANTS, "references", "mean_stress"):
            if name != "std":
                getattr(self, name).copy_(getattr(found, name))
        self.composition.copy_(found.references + found.mean)
        self.std.copy_(self._spread(found))

    def _spread(self, found: Constants) -> Tensor:
        """Return the spread that the network's output is measured in."""
        by_forces = self.settings.scale == "forces" or (
            self.settings.scale == "auto" and "forces" in self.by_kind
        )
        spread = found.force_rms if by_forces and found.has_forces else found.energy_std
        if not found.has_forces and not found.has_energies:
            spread = found.stress_rms
        if not spread > 1e-8:
            names = " and ".join(f"'{info.name}'" for info in self.targets)
            raise DataError(
                f"Label {names} has no spread beyond what the composition explains "
                f"({float(spread):g} {self.targets[0].unit}); there is nothing to learn, choose "
                "another target or more data."
            )
        return spread

    def adopt(self, state: Values, encoder: Encoder, training: Iterable[CrystalBatch]) -> None:
        """Start from a trained head, of which energies keep their scale and references are new.

        The last layer is multiplied by σ of the trained head over σ of this one, so that the
        network gives the same eV. The reference energies are fitted once more, to what the network
        leaves of the labels: another level of theory differs from the trained one by an energy per
        element first of all, and nothing of it is left to learn.
        """
        super().adopt(state, encoder, training)
        last = self.layers.layers[-1].weight
        trained = state.get("std")
        if trained is None or state.get("layers.layers.0.weight") is None:
            return
        with torch.no_grad():
            last.mul_((trained.to(self.std) / self.std).to(last.dtype))
        info = self.by_kind.get("energy")
        if info is None:
            return
        fit = ElementFit()
        with torch.no_grad():
            for batch in training:
                network = self.layers(encoder(batch).atoms).squeeze(-1).double()  # (atoms,)
                total = network.new_zeros(batch.num_crystals)
                total = total.index_add(0, batch.crystal_index, network) * self.std
                labels = labels_of(batch, info).double()
                fit.add(
                    batch, (labels - total) / batch.atoms_per_crystal, self.mask(batch)[info.name]
                )
        if fit.count:
            self.references.copy_(fit.solve())
            self.mean.copy_(fit.residual()[0])

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict E per atom, ``(crystals,)``, forces and stress, in units of the spread."""
        atoms = self.layers(embedding.atoms).squeeze(-1)  # (atoms,)
        total = atoms.new_zeros(batch.num_crystals).index_add(0, batch.crystal_index, atoms)
        found: dict[str, Tensor] = {"energy": total / batch.atoms_per_crystal}
        if self.needs_position_gradient:
            forces, stress = derivatives(
                total, batch, create_graph=self.training, stress=self.needs_cell_gradient
            )
            found["forces"] = forces
            if stress is not None:
                found["stress"] = stress
        return {info.name: found[kind] for kind, info in self.by_kind.items()}

    def transform(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the labels in the space of ``forward``, NaN where missing."""
        found: dict[str, Tensor] = {}
        for kind, info in self.by_kind.items():
            labels = labels_of(batch, info)
            values = labels.to(torch.float64)
            if kind == "energy":
                rest = values - element_sums(self.references, batch)
                values = rest / batch.atoms_per_crystal - self.mean
            found[info.name] = (values / self.std).to(labels.dtype)
        return found

    def mask(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return where the batch has a label that counts: of forces, those on free atoms."""
        found = super().mask(batch)
        fixed = batch.site_properties.get(FIXED)
        if fixed is not None and "forces" in self.by_kind:
            name = self.by_kind["forces"].name
            found[name] = found[name] & (fixed == 0).unsqueeze(1)
        return found

    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the weighted mean of the losses of the kinds, each over its labelled entries."""
        shares = {kind: float(getattr(self.settings, f"{kind}_weight")) for kind in self.by_kind}
        if len(shares) > 1 and "energy" in shares:  # w s^(1 - t), t being the share of training
            shares["energy"] *= self.settings.energy_start ** (1.0 - self.progress)
        whole = sum(shares.values()) or 1.0
        parts = [
            shares[kind]
            / whole
            * masked_loss(
                self.settings.loss,
                prediction[info.name],
                target[info.name],
                mask[info.name],
                (weights or {}).get(info.name),
            )
            for kind, info in self.by_kind.items()
        ]
        return torch.stack(parts).sum()

    def inverse_transform(self, prediction: Values, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return energies in eV, forces in eV/Å and stress in eV/Å³, float64."""
        found: dict[str, Tensor] = {}
        for kind, info in self.by_kind.items():
            values = prediction[info.name].to(torch.float64) * self.std
            if kind == "energy":
                values = (values + self.mean) * batch.atoms_per_crystal
                values = values + element_sums(self.references, batch)
            found[info.name] = values
        return found

    def metrics(self) -> dict[str, dict[str, Metric]]:
        """Return MAE, RMSE, MSE and R² over crystals or components; for forces the cosine too."""
        found: dict[str, dict[str, Metric]] = {
            info.name: {
                "mae": MeanAbsoluteError(),
                "rmse": MeanSquaredError(squared=False),
                "mse": MeanSquaredError(),
                "r2": R2Score(),
            }
            for info in self.targets
        }
        if "forces" in self.by_kind:
            found[self.by_kind["forces"].name]["cosine"] = ForceCosine()
        return found

    def baseline_predictions(self, batch: CrystalBatch) -> dict[str, dict[str, Tensor]]:
        """Return mean energy per atom times atoms, what composition says, and zero forces."""
        found: dict[str, dict[str, Tensor]] = {}
        sizes = batch.atoms_per_crystal
        for kind, info in self.by_kind.items():
            if kind == "energy":
                found.setdefault("mean", {})[info.name] = sizes * self.mean_energy_per_atom
                composition = element_sums(self.composition, batch)
                found.setdefault("composition", {})[info.name] = composition
            elif kind == "forces":
                zero = self.std.new_zeros(batch.num_atoms, 3)
                found.setdefault("zero", {})[info.name] = zero
            else:
                mean = self.mean_stress.expand(batch.num_crystals, 3, 3)
                found.setdefault("mean", {})[info.name] = mean
                found.setdefault("zero", {})[info.name] = torch.zeros_like(mean)
        return found


def _add_composition(
    module: EnergyForcesHead, state: dict[str, Tensor], prefix: str, *rest: object
) -> None:
    """Complete the state of a head that was saved without the baseline, which was w + μ then."""
    if f"{prefix}composition" not in state and f"{prefix}references" in state:
        state[f"{prefix}composition"] = state[f"{prefix}references"] + state[f"{prefix}mean"]
