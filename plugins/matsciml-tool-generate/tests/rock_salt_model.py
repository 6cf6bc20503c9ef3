"""A model that generates rock salt without having learnt anything.

The tests write this file into a plugin of their own; nothing imports it from here.
"""

import os
import time

import numpy as np
import torch

from matsciml_core import Crystal, Encoder, TaskHead
from matsciml_core.interfaces.generation import (
    GeneratedCrystal,
    GenerativeHead,
    LatentEmbedding,
    Rejection,
    SamplingState,
)

WIDTH = 4


class VolumeEncoder(Encoder):
    """Latent vector: the edge of a cube with the cell's volume, less 5 Å, and three zeros."""

    neighbours = None
    atom_width = crystal_width = WIDTH

    def __init__(self, config=None):
        super().__init__(config)
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, batch):
        edge = torch.linalg.det(batch.cell).abs() ** (1 / 3)
        zero = torch.zeros_like(edge)
        mean = torch.stack([edge * self.scale - 5.0, zero, zero, zero], dim=1)
        atoms = mean.index_select(0, batch.crystal_index)
        return LatentEmbedding(atoms=atoms, crystals=mean, mean=mean, log_variance=zero)


class UntrainedHead(TaskHead):
    """The methods of training, which these tests never call."""

    def fit(self, training):
        raise NotImplementedError

    def transform(self, batch):
        raise NotImplementedError

    def loss(self, prediction, target, mask):
        raise NotImplementedError

    def metrics(self):
        raise NotImplementedError

    def baseline_predictions(self, batch):
        raise NotImplementedError


class DoublingHead(UntrainedHead):
    """Predicts the first latent number, doubled."""

    def __init__(self, targets, atom_width, crystal_width, config=None):
        super().__init__(targets, atom_width, crystal_width, config)
        self.factor = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, embedding, batch):
        return {self.targets[0].name: embedding.crystals[:, 0] * self.factor}

    def inverse_transform(self, prediction, batch):
        return dict(prediction)


class RockSaltHead(GenerativeHead, UntrainedHead):
    """Generates rock salt whose cube has an edge of 5 Å plus the first latent number.

    Each step adds noise to the positions, which fades. GENERATOR_PAUSE is how many seconds each
    step lasts.
    """

    latent_width = WIDTH

    def __init__(self, targets, atom_width, crystal_width, config=None):
        super().__init__(targets, atom_width, crystal_width, config)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, embedding, batch):
        raise NotImplementedError

    def inverse_transform(self, prediction, batch):
        raise NotImplementedError

    def encode(self, embedding):
        return embedding.mean

    def decode(
        self,
        latents,
        *,
        sampling,
        composition=None,
        generator=None,
        progress=None,
        checkpoint=None,
        state=None,
    ):
        levels, steps = sampling.levels or 3, sampling.steps_per_level or 100
        noise = torch.zeros(len(latents), 2, 3)
        start = 0
        if state is not None:
            start, noise = state.level, state.tensors["noise"].clone()
            generator.set_state(state.tensors["random"])
        done = start * steps
        for level in range(start, levels):
            for _ in range(steps):
                noise = 0.5 * noise + 0.01 * torch.randn(noise.shape, generator=generator)
                done += 1
                if progress is not None:
                    progress(done, levels * steps)
                time.sleep(float(os.environ.get("GENERATOR_PAUSE", "0")))
            if checkpoint is not None:
                random = generator.get_state()
                checkpoint(
                    SamplingState(level=level + 1, tensors={"noise": noise, "random": random})
                )
        return [self._crystal(k, latent, noise[k]) for k, latent in enumerate(latents)]

    def _crystal(self, index, latent, noise):
        edge = 5.0 + float(latent[0])
        if latent[1] > 1.0:
            return GeneratedCrystal(crystal=None, rejected=Rejection.NOT_FINITE)
        cell = 0.5 * edge * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
        positions = np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]) @ cell + noise.double().numpy()
        crystal = Crystal(id=str(index), atomic_numbers=[11, 17], positions=positions, cell=cell)
        return GeneratedCrystal(crystal=crystal)
