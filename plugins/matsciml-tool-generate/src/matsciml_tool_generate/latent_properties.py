"""Properties of points in the latent space, as the property heads of a generative model predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Embedding
from matsciml_core.interfaces.head import TaskHead

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel


class LatentProperties:
    """Predicts properties of latent vectors, differentiably.

    A variational encoder's embedding of a crystal is the mean of its latent distribution, so that
    a head that was trained beside the generative one can read latent vectors directly. What such
    a head needs besides, the atoms, does not exist yet: one hydrogen atom stands for each crystal,
    and only labels that are one number per crystal, and do not count atoms, make sense.

    Args:
        model: A model with a generative head and a head for each label.
        labels: Names of labels.

    Raises:
        ConfigError: The model does not predict a label from its latent space.
    """

    def __init__(self, model: TrainedModel, labels: Sequence[str]) -> None:
        """Find the head of each label."""
        self._heads: dict[str, tuple[TaskHead, str]] = {}
        scalars = {
            name: info
            for name, info in model.targets.items()
            # Labels of atoms, or that grow with them, need the atoms, which do not exist yet.
            if info.kind == "scalar" and not info.per_atom and not info.extensive
        }
        for label in labels:
            info = scalars.get(label)
            if info is None:
                raise ConfigError(
                    f"The model in '{model.folder}' cannot be guided by '{label}'."
                    f"{did_you_mean(label, scalars)} It predicts "
                    f"{', '.join(scalars) or 'no number per crystal'} from its latent space; train "
                    "it beside the structure: --target structure --target NAME --strategy additive."
                )
            head = next(task.head for task in model.tasks if info in task.head.targets)
            self._heads[label] = head, info.name

    def __call__(self, latents: Tensor) -> dict[str, Tensor]:
        """Return the properties of latent vectors.

        Args:
            latents: ``(crystals, latent_width)``, dimensionless.

        Returns:
            By label, ``(crystals,)``, in its unit.
        """
        number, device, dtype = len(latents), latents.device, latents.dtype
        # One atom in a cube of 10 Å, far from its images, for each latent vector.
        batch = CrystalBatch(
            atomic_numbers=torch.ones(number, dtype=torch.int64, device=device),
            positions=torch.zeros(number, 3, dtype=dtype, device=device),
            cell=torch.eye(3, dtype=dtype, device=device).expand(number, 3, 3) * 10.0,
            pbc=torch.ones(number, 3, dtype=torch.bool, device=device),
            crystal_index=torch.arange(number, device=device),
            atoms_per_crystal=torch.ones(number, dtype=torch.int64, device=device),
        )
        embedding = Embedding(atoms=latents, crystals=latents)
        return {
            label: head.inverse_transform(head(embedding, batch), batch)[name]
            for label, (head, name) in self._heads.items()
        }


class LatentObjective:
    """Squared distance of properties to their targets, for points of the latent space.

    Several properties are added, each in units of the square of its target's unit.

    Args:
        model: A model with a generative head and a head for each label.
        targets: Label → value in its unit.

    Raises:
        ConfigError: The model does not predict a label from its latent space.
    """

    def __init__(self, model: TrainedModel, targets: Mapping[str, float]) -> None:
        """Find the heads."""
        self._properties = LatentProperties(model, tuple(targets))
        self._targets = targets

    def __call__(self, latents: Tensor) -> Tensor:
        """Return one number per latent vector, ``(crystals,)``, smaller where it is nearer.

        Args:
            latents: ``(crystals, latent_width)``, dimensionless.
        """
        properties = self._properties(latents)
        distances = [(properties[name] - value) ** 2 for name, value in self._targets.items()]
        return torch.stack(distances).sum(0)
