"""The head that generates crystals: CDVAE's predictors, decoder and losses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from matsciml_core import CrystalBatch, Embedding, TargetInfo, Values, labels_of
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.generation import (
    Composition,
    GeneratedCrystal,
    GenerativeHead,
    LatentEmbedding,
    Progress,
    SamplingConfig,
    SamplingState,
)
from matsciml_core.nn.segments import Segments
from matsciml_model_cdvae import losses
from matsciml_model_cdvae import sampling as denoising
from matsciml_model_cdvae.config import CrystalGenerationConfig
from matsciml_model_cdvae.connect import Candidates
from matsciml_model_cdvae.gemnet import NUM_SPECIES, GemNetDecoder
from matsciml_model_cdvae.initial_state import are_possible
from matsciml_model_cdvae.latent import LatentReadout
from matsciml_model_cdvae.lattice import lattice_parameters
from matsciml_model_cdvae.metrics import ColumnMean
from matsciml_model_cdvae.niggli import niggli_reduced
from matsciml_model_cdvae.noise import Noise, NoiseSample, Noisy, species_of
from matsciml_model_cdvae.orbits import can_occupy
from matsciml_model_cdvae.predictors import LatticeScaler, Predicted, Predictors
from matsciml_model_cdvae.symmetry import nearest_numbers, symmetric_cells
from matsciml_model_cdvae.training_statistics import Statistics, fit_statistics

ERRORS = ("atoms_accuracy", "lengths_mae", "angles_mae", "species_accuracy")
"""Further columns of a prediction: whether the number of atoms is right (0 or 1), mean absolute
errors of the predicted lengths (Å) and angles (degrees), and the share of noisy atoms of which the
decoder predicts the species."""
_STRAIN = 0.05
"""σ, the strain by which a predicted cell may miss a space group without being unlikely."""


class CrystalGeneration(GenerativeHead):
    """Generates crystals by denoising atoms in a predicted cell, given a latent vector.

    Trained on the crystals themselves: ``forward`` returns for each crystal the six terms of the
    loss, in the order of ``losses.TERMS``, and :data:`ERRORS`. In evaluation mode the noise
    depends on the crystals' ids alone. The number of atoms, the lattice and the composition are
    predicted from the latent vector; the decoder is a GemNet-dT.

    References:
        Xie, Fu, Ganea, Barzilay, Jaakkola, ICLR 2022, arXiv:2110.06197. Deviations: positions are
        always noised in the true lattice, as the original does for the first half of its
        training; neighbours are cut by a rule that is the same for both ends of an edge
        (``cut``).

    Raises:
        ConfigError: There is more than one target, or one that is not a structure.
    """

    units: ClassVar[Mapping[str, tuple[str, ...]]] = {"structure": ("dimensionless",)}
    space_groups: ClassVar[bool] = True
    weights: Tensor
    """Weights of the terms, ``(6,)``, dimensionless."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: CrystalGenerationConfig | None = None,
    ) -> None:
        """Build predictors and decoder."""
        super().__init__(targets, atom_width, crystal_width, config)
        if [info.kind for info in self.targets] != ["structure"]:
            named = ", ".join(f"{info.name} ({info.kind})" for info in self.targets)
            raise ConfigError(
                "The head 'crystal-generation' is trained on one target of the kind structure, "
                f"not on {named}; choose --target structure, or another head."
            )
        self.target = self.targets[0]
        self.settings = settings = config or CrystalGenerationConfig()
        self.latent_width = settings.latent_width or crystal_width
        self.max_atoms = settings.max_atoms
        self.readout = (
            None
            if settings.latent_width is None
            else LatentReadout(crystal_width, settings.latent_width)
        )
        self.predictors = Predictors(
            self.latent_width, settings.predictor_width, settings.max_atoms
        )
        self.decoder = GemNetDecoder(settings, self.latent_width)
        self.noise = Noise(settings)
        self.scaler = LatticeScaler()
        self.statistics = Statistics(settings.max_atoms)
        weights = [getattr(settings, f"{name}_weight") for name in losses.TERMS]
        self.register_buffer("weights", torch.tensor(weights).double(), persistent=False)

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Fit the normalisation of the lattice, and frequencies of atom numbers and species.

        Raises:
            DataError: There is no crystal, or one that the head cannot generate.
        """
        fit_statistics(training, self.scaler, self.statistics, self.target)

    def mask(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return which crystals are labelled, and of a size and of elements that it generates."""
        labelled = super().mask(batch)[self.target.name]
        beyond = torch.zeros_like(batch.atoms_per_crystal).index_add(
            0, batch.crystal_index, (batch.atomic_numbers > NUM_SPECIES).to(torch.int64)
        )
        fits = (batch.atoms_per_crystal <= self.settings.max_atoms) & (beyond == 0)
        return {self.target.name: labelled & fits}

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Add noise, remove it, and return the terms of the loss and errors, ``(crystals, 10)``.

        Raises:
            ConfigError: The encoder has no latent space, and none was asked for.
        """
        # Reduced precision would round positions to a tenth of an Å.
        with torch.autocast(batch.positions.device.type, enabled=False):
            latent, crystals = self.latent(embedding), in_niggli_cells(batch)
            return {self.target.name: self.columns(latent, crystals, self.noise.sample(batch))}

    def latent(self, embedding: Embedding) -> LatentEmbedding:
        """Return the latent distribution of an embedding, in the dtype of the parameters.

        Raises:
            ConfigError: The encoder has no latent space, and none was asked for.
        """
        dtype = self.decoder.species.weight.dtype
        if self.readout is not None:
            latent: LatentEmbedding = self.readout(embedding.crystals.to(dtype), embedding.atoms)
            return latent
        if not isinstance(embedding, LatentEmbedding):
            raise ConfigError(
                "The encoder has no latent space to generate crystals from; choose one that has, "
                "such as --encoder cdvae, or let the head make one with --set "
                "head.latent_width=64."
            )
        return replace(
            embedding,
            crystals=embedding.crystals.to(dtype),
            mean=embedding.mean.to(dtype),
            log_variance=embedding.log_variance.to(dtype),
        )

    def columns(self, latent: LatentEmbedding, batch: CrystalBatch, sample: NoiseSample) -> Tensor:
        """Return the terms of the loss and the errors, ``(crystals, 10)``.

        Args:
            latent: The latent distribution of each crystal, with a sample of it.
            batch: The true crystals, in the cells whose parameters are learnt.
            sample: The random numbers.
        """
        predicted: Predicted = self.predictors(latent.crystals)
        noisy: Noisy = self.noise(batch, predicted.composition, sample)
        settings = self.settings
        candidates = Candidates.of(batch.cell, batch.atoms_per_crystal, settings.radius)
        edges = candidates.connect(
            noisy.positions, settings.radius, settings.max_neighbours, settings.cut
        )
        denoised = self.decoder(noisy.species, latent.crystals, batch.crystal_index, edges)
        divergence = losses.divergence(latent.mean, latent.log_variance)
        return self._scored(batch, noisy, predicted, denoised, divergence)

    def _scored(
        self,
        batch: CrystalBatch,
        noisy: Noisy,
        predicted: Predicted,
        denoised: tuple[Tensor, Tensor],
        divergence: Tensor,
    ) -> Tensor:
        """Return terms and errors of predictions and denoised atoms, ``(crystals, 10)``."""
        scores, logits = denoised
        species = species_of(batch)
        atoms = Segments(batch.crystal_index, batch.atoms_per_crystal)
        true = self.scaler.standardised(batch.cell, batch.atoms_per_crystal)
        terms = (
            # Larger crystals are masked; their class only has to exist.
            losses.atoms_loss(
                predicted.atoms, batch.atoms_per_crystal.clamp(max=self.settings.max_atoms)
            ),
            losses.lattice_loss(predicted.lattice, true),
            losses.coordinates_loss(scores, noisy.displacement, noisy.sigma, atoms),
            losses.species_loss(logits, species, noisy.species_sigma, atoms),
            losses.composition_loss(predicted.composition, species, atoms),
            divergence,
        )
        with torch.no_grad():  # the columns of ERRORS are reported, and never trained
            dtype, counts = predicted.lattice.dtype, batch.atoms_per_crystal
            parameters = self.scaler.parameters_of(predicted.lattice, counts)
            differences = (parameters - lattice_parameters(batch.cell)).abs().to(dtype)
            correct = (logits.argmax(1) == species).to(dtype)
            errors = (
                (predicted.atoms.argmax(1) == counts).to(dtype),
                differences[:, :3].mean(1),
                differences[:, 3:].mean(1),
                losses.mean_over_atoms(correct, atoms),
            )
        return torch.stack((*terms, *errors), dim=1)

    def transform(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the labels as they are: a number where the crystal is labelled, else NaN."""
        return {self.target.name: labels_of(batch, self.target)}

    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the weighted sum of the terms, each a mean over the labelled crystals."""
        labelled = mask[self.target.name]
        terms = prediction[self.target.name][:, : len(losses.TERMS)]
        # A masked crystal may have infinite terms, so that it is not enough to multiply by zero.
        kept = torch.where(labelled.unsqueeze(1), terms, 0.0)
        if weights is not None:
            kept = kept * weights[self.target.name].unsqueeze(1)
        means = kept.sum(0) / labelled.sum().clamp(min=1)
        return (means * self.weights.to(means.dtype)).sum()

    def inverse_transform(self, prediction: Values, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the terms and errors, with the weighted sum before them, ``(crystals, 11)``."""
        values = prediction[self.target.name].to(torch.float64)
        total = (values[:, : len(losses.TERMS)] * self.weights).sum(1, keepdim=True)
        return {self.target.name: torch.cat((total, values), dim=1)}

    def metrics(self) -> dict[str, dict[str, Metric]]:
        """Return the means of all columns of :meth:`inverse_transform`."""
        names = ("loss", *losses.TERMS, *ERRORS)
        return {self.target.name: {name: ColumnMean(k) for k, name in enumerate(names)}}

    def baseline_predictions(self, batch: CrystalBatch) -> dict[str, dict[str, Tensor]]:
        """Return the columns of the training split's frequencies and means, without denoising."""
        exact, count = in_niggli_cells(batch.to(dtype=torch.float64)), batch.num_crystals
        predicted = Predicted(
            atoms=self.statistics.log_atoms.double().expand(count, -1),
            lattice=exact.cell.new_zeros(count, 6),
            composition=self.statistics.log_species.double().expand(count, -1),
        )
        noisy: Noisy = self.noise(exact, predicted.composition, self.noise.sample(exact))
        # A baseline has no divergence, since its latent distribution would be the prior.
        logits = predicted.composition.index_select(0, batch.crystal_index)
        denoised = torch.zeros_like(exact.positions), logits
        columns = self._scored(exact, noisy, predicted, denoised, exact.cell.new_zeros(count))
        return {"marginal": self.inverse_transform({self.target.name: columns}, batch)}

    def encode(self, embedding: Embedding) -> Tensor:
        """Return the means of the latent distributions, ``(crystals, latent_width)``."""
        return self.latent(embedding).mean

    @torch.no_grad()
    def log_probability(self, latents: Tensor, composition: Composition) -> Tensor:
        """Return log p(number of atoms | z) + log p(species | z, number of atoms).

        The species are independent samples of the predicted composition: a multinomial
        distribution.

        Args:
            latents: z, ``(crystals, latent_width)``, dimensionless.
            composition: As for :class:`GenerativeHead`; with at most ``max_atoms`` atoms each.

        Returns:
            ``(crystals,)``, dimensionless.
        """
        predicted: Predicted = self.predictors(latents.to(self.decoder.species.weight))
        sizes = composition.atoms_per_crystal.to(latents.device)
        atoms = predicted.atoms.log_softmax(1).gather(1, sizes.unsqueeze(1)).squeeze(1)
        if composition.atomic_numbers is None:
            return atoms
        shares = predicted.composition.log_softmax(1)
        species = composition.atomic_numbers.to(latents.device) - 1
        crystals = torch.repeat_interleave(sizes)
        counts = torch.zeros_like(shares).index_put(
            (crystals, species), shares.new_ones(len(species)), accumulate=True
        )  # (crystals, species)
        orders = torch.lgamma(sizes + 1.0) - torch.lgamma(counts + 1.0).sum(1)
        return atoms + orders + (counts * shares).sum(1)

    def fits_space_group(self, counts: Sequence[int], space_group: int) -> bool:
        """Return whether atoms fill whole orbits of a space group's primitive cell.

        Args:
            counts: Atoms of each species.
            space_group: Its number.
        """
        return can_occupy(space_group, counts)

    @torch.no_grad()
    def log_symmetry(self, latents: Tensor, space_group: int) -> Tensor:
        """Return −(strain/σ)²/2 for the strain that makes the predicted cell one of the group's.

        Args:
            latents: ``(crystals, latent_width)``, dimensionless.
            space_group: Its number.

        Returns:
            ``(crystals,)``, dimensionless; −∞ where the predicted cell is impossible.
        """
        predicted: Predicted = self.predictors(latents.to(self.decoder.species.weight))
        # A cell of 100 atoms, so that none is too small; strain does not depend on the size.
        counts = torch.full((len(latents),), 100, device=latents.device)
        parameters = self.scaler.parameters_of(predicted.lattice, counts).cpu()
        possible = are_possible(parameters)
        weights = torch.full((len(latents),), -torch.inf, dtype=parameters.dtype)
        strain = symmetric_cells(parameters[possible], space_group).strain
        weights[possible] = -0.5 * (strain / _STRAIN).square()
        return weights.to(latents.device)

    @torch.no_grad()
    def decode(
        self,
        latents: Tensor,
        *,
        sampling: SamplingConfig,
        composition: Composition | None = None,
        generator: torch.Generator | None = None,
        progress: Progress | None = None,
        checkpoint: Callable[[SamplingState], None] | None = None,
        state: SamplingState | None = None,
    ) -> list[GeneratedCrystal]:
        """Decode latent vectors into crystals by the sampler of the settings.

        Args:
            latents: ``(crystals, latent_width)``, dimensionless.
            sampling: This and the others as for :class:`GenerativeHead`.
            composition: Likewise.
            generator: Likewise.
            progress: Likewise.
            checkpoint: Likewise.
            state: Likewise.

        Raises:
            ConfigError: The state does not belong to these latent vectors, or a species of the
                composition is beyond those that the decoder has; or the atoms do not fill whole
                orbits of the space group of the settings.
        """
        generator = generator or torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        inputs = self._inputs(latents, composition, sampling.space_group)
        start, rejections = denoising.prepare(self.decoder, self.settings, inputs, generator)
        if start is None:
            return [GeneratedCrystal(crystal=None, rejected=reason) for reason in rejections]
        sampler = denoising.Sampler(start.field, sampling, generator)
        ends = sampler.run(start.walkers, progress=progress, checkpoint=checkpoint, state=state)
        return denoising.collect(start, ends, rejections)

    def _inputs(
        self, latents: Tensor, truth: Composition | None, space_group: int | None
    ) -> denoising.SamplingInputs:
        """Return the predictions from latent vectors, with what is known in their place."""
        latents = latents.to(self.decoder.species.weight)
        predicted: Predicted = self.predictors(latents)
        counts = predicted.atoms.argmax(1)
        if space_group is not None and truth is None:
            counts = nearest_numbers(space_group, counts, self.settings.max_atoms)
        species = None
        if truth is not None:
            counts = truth.atoms_per_crystal.to(counts)
            if truth.atomic_numbers is not None:
                species = truth.atomic_numbers - 1
                heaviest = int(truth.atomic_numbers.max())
                if heaviest > NUM_SPECIES:
                    raise ConfigError(
                        f"A crystal has an atom of the element {heaviest}, and elements up to "
                        f"{NUM_SPECIES} can be decoded; leave it out, or do not give the decoder "
                        "the species."
                    )
        return denoising.SamplingInputs(
            latents=latents,
            atoms_per_crystal=counts,
            lattice=self.scaler.parameters_of(predicted.lattice, counts),
            composition=predicted.composition,
            species=species,
            space_group=space_group,
        )


def in_niggli_cells(batch: CrystalBatch) -> CrystalBatch:
    """Return the same crystals in Niggli-reduced cells, without edges."""
    # Positions stay, since a reduced cell spans the same lattice; shifts of edges would not fit it.
    return replace(batch.without_edges(), cell=niggli_reduced(batch.cell))
