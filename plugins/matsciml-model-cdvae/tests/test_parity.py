"""The numbers of the original program, run in float64."""

from collections import Counter

import torch

from matsciml_core import TargetInfo
from matsciml_core.interfaces.generation import LatentEmbedding, SamplingConfig
from matsciml_core.nn.envelopes import polynomial_envelope
from matsciml_core.nn.radial import BesselBasis
from matsciml_core.nn.spherical_bessel import bessel_zeros
from matsciml_model_cdvae import bases, losses
from matsciml_model_cdvae.connect import Candidates
from matsciml_model_cdvae.dimenet import DimeNet
from matsciml_model_cdvae.gemnet import GemNetDecoder
from matsciml_model_cdvae.head import CrystalGeneration
from matsciml_model_cdvae.latent import LatentReadout
from matsciml_model_cdvae.lattice import lattice_vectors, nearest_image, to_cartesian, to_fractional
from matsciml_model_cdvae.noise import NoiseSample, species_weights
from matsciml_model_cdvae.samplers import schedule
from matsciml_model_cdvae.sampling import ScoreField, Walkers
from matsciml_model_cdvae.schedules import geometric, step_sizes
from matsciml_model_cdvae.triplets import Paths

SIGMAS = geometric(10.0, 0.01, 50)


def _close(found, expected, tolerance):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_bases(reference):
    x, cosines = reference["basis/distance_over_cutoff"], reference["basis/cos"]
    _close(polynomial_envelope(x, 6) / x, reference["basis/dimenet_envelope"], 1e-10)
    _close(polynomial_envelope(x, 5), reference["basis/gemnet_envelope"], 1e-12)
    radial = BesselBasis(7.0, 6, 6).double()
    radial.frequencies.data = torch.arange(1, 7, dtype=torch.float64) * torch.pi
    _close(radial(7.0 * x), reference["basis/dimenet_rbf_cut7_nradial6"], 1e-6)
    gaussians = bases.GaussianBasis(128, 7.0)(7.0 * x)
    _close(gaussians, reference["basis/gemnet_rbf_cut7_128gaussians"], 1e-6)
    _close(bases.legendre(7, cosines).T, reference["basis/gemnet_Yl0"], 1e-10)


def test_spherical_basis(reference):
    x, angles = reference["basis/distance_over_cutoff"], reference["basis/angle"]
    _close(
        torch.from_numpy(bessel_zeros(7, 6)),
        reference["basis/spherical_bessel_zeros_float64"],
        1e-12,
    )
    radial = bases.SphericalRadialBasis(7, 6, 7.0, 6)(7.0 * x)
    found = (radial * bases.legendre(7, angles.cos()).T.unsqueeze(2)).flatten(1)
    expected = reference["basis/dimenet_sbf_nspherical7_nradial6"]
    far = x > 0.1  # nearer, the original's closed forms lose digits
    scale = expected.abs().amax()
    _close(found[far] / scale, expected[far] / scale, 1e-6)
    _close(found / scale, expected / scale, 1e-4)


def test_schedules(reference):
    _close(SIGMAS, reference["schedule/sigmas"], 1e-6)
    _close(geometric(5.0, 0.01, 50), reference["schedule/type_sigmas"], 1e-6)
    expected = reference["schedule/langevin_step_sizes_step_lr_1e-4"]
    _close(step_sizes(SIGMAS, 1e-4), expected, 1e-6)


def test_geometry(reference):
    part = {name.split("/")[1]: value for name, value in reference.items() if "geometry/" in name}
    index = torch.repeat_interleave(part["num_atoms"])
    cell = lattice_vectors(torch.cat((part["lengths"], part["angles"]), dim=1))
    _close(cell, part["lattice"], 1e-10)
    _close(torch.linalg.det(cell).abs(), part["volume"], 1e-10)
    first = to_cartesian(part["frac_a"], cell, index)
    second = to_cartesian(part["frac_b"], cell, index)
    _close(first, part["cart_a"], 1e-10)
    _close(to_fractional(second, cell, index), part["frac_back_wrapped"], 1e-8)
    nearest = nearest_image(first - second, cell, index)
    _close(nearest, part["min_vector_a_minus_b"], 1e-8)
    _close(nearest.square().sum(1), part["min_dist_sqr"], 1e-8)


def test_paths(reference, original):
    batch = original.crystals(reference)
    paths = Paths.of(batch.edge_index, batch.cell_shift, batch.num_atoms, "atom")
    assert int(paths.allowed.sum()) == len(reference["dimenet/idx_kj"])


def test_dimenet(reference, original):
    network = DimeNet(original.DIMENET).double()
    network.load_state_dict(original.dimenet_weights(reference))
    batch = original.crystals(reference)
    atoms = network(batch)
    found = torch.zeros(3, 10, dtype=atoms.dtype).index_add(0, batch.crystal_index, atoms)
    found = found / batch.atoms_per_crystal.unsqueeze(1)
    _close(found, reference["dimenet/output"], 1e-6)


def test_neighbours_of_the_decoder(reference, original):
    """They are the original's but for ties: an atom's own images S and −S are equally far away.

    The original keeps one or the other by rounding; where there is noise (the losses, and the
    Langevin step) all of them agree.
    """
    batch = original.crystals(reference)
    candidates = Candidates.of(batch.cell, batch.atoms_per_crystal, 5.0)
    edges = candidates.connect(_home(batch), 5.0, 9, "literal")
    found = Counter(_described(torch.stack((edges.sender, edges.receiver)), edges.lengths))
    expected = Counter(_described(reference["gemnet/edge_index"], reference["gemnet/D_st"]))
    different = [*(found - expected), *(expected - found)]
    assert all(sender == receiver for sender, receiver, _ in different)
    assert len(different) < 0.02 * expected.total()


def _described(ends, lengths):
    return zip(*ends.tolist(), [round(length, 6) for length in lengths.tolist()], strict=True)


def test_gemnet(reference, original):
    decoder = GemNetDecoder(original.HEAD, 10).double()
    decoder.load_state_dict(original.gemnet_weights(reference))
    batch = original.crystals(reference)
    scores, logits = decoder(
        batch.atomic_numbers - 1,
        reference["gemnet/z"],
        batch.crystal_index,
        original.decoder_edges(reference),
    )
    _close(scores, reference["gemnet/coord_output"], 1e-10)
    _close(logits, reference["gemnet/type_logits"], 1e-10)


def _head(reference, original) -> CrystalGeneration:
    info = TargetInfo(name="structure", kind="structure", unit="dimensionless")
    head = CrystalGeneration([info], 10, 10, original.HEAD).double().eval()
    head.decoder.load_state_dict(original.gemnet_weights(reference))
    head.predictors.load_state_dict(original.predictor_weights(reference))
    head.scaler.mean.copy_(reference["losses/lattice_scaler_mean"])
    head.scaler.std.copy_(reference["losses/lattice_scaler_std"])
    return head


def test_losses(reference, original, monkeypatch):
    part = {name.split("/", 1)[1]: v for name, v in reference.items() if name.startswith("losses/")}
    head, batch = _head(reference, original), original.crystals(reference)
    readout = LatentReadout(10, 10).double().eval()
    readout.load_state_dict(original.readout_weights(reference))
    found = readout(reference["dimenet/output"], torch.zeros(12, 10))
    _close(found.mean, part["mu"], 1e-6)
    latent = LatentEmbedding(
        atoms=found.atoms, crystals=part["z"], mean=part["mu"], log_variance=part["log_var"]
    )
    predicted = head.predictors(part["z"])
    _close(predicted.atoms, part["pred_num_atoms_logits"], 1e-10)
    _close(predicted.lattice, part["pred_lattice_scaled"], 1e-10)
    index = batch.crystal_index
    _close(predicted.composition[index], part["pred_composition_logits"], 1e-10)
    sigma = head.noise.species_sigmas[part["type_noise_level"]][index]
    weights = species_weights(batch.atomic_numbers - 1, predicted.composition[index], sigma)
    expected = part["type_probabilities_unnormalised"]
    _close(weights / weights.sum(1, keepdim=True), expected / expected.sum(1, keepdim=True), 1e-6)
    sample = NoiseSample(
        level=part["noise_level"],
        species_level=part["type_noise_level"],
        normal=part["coord_noise_unit"],
        uniform=torch.full((12,), 0.5),
    )
    noisy_species = part["noisy_atom_types"] - 1
    monkeypatch.setattr("matsciml_model_cdvae.noise.categorical", lambda *_: noisy_species)
    noisy = head.noise(batch, predicted.composition, sample)
    _close(to_fractional(noisy.positions, batch.cell, index), part["noisy_frac"], 1e-6)
    columns = head.columns(latent, batch, sample)
    names = ("num_atom", "lattice", "coord", "type", "composition", "kld")
    for column, name in enumerate(names):
        _close(columns[:, column].mean(), part[f"{name}_loss"], 1e-6)
    assert losses.TERMS[2] == "coordinates"
    mask = {"structure": torch.ones(3, dtype=torch.bool)}
    total = head.loss({"structure": columns}, {}, mask)
    _close(total, part["total"], 1e-6)


def test_langevin_step(reference, original):
    head, batch = _head(reference, original), original.crystals(reference)
    level = int(reference["langevin_step/level"])
    field = ScoreField.of(
        head.decoder, original.HEAD, reference["losses/z"], batch.cell, batch.atoms_per_crystal
    )
    walkers = Walkers(
        fractional=reference["losses/noisy_frac"],
        species=reference["losses/noisy_atom_types"] - 1,
        failed=torch.zeros(3, dtype=torch.bool),
    )
    with torch.no_grad():
        after = field.step(
            walkers,
            reference["langevin_step/noise_unit"],
            schedule(SamplingConfig(sampler="langevin"), original.HEAD, batch.cell).move(level, 0),
        )
    _close(after.fractional, reference["langevin_step/frac_after"], 1e-6)
    assert torch.equal(after.species + 1, reference["langevin_step/types_after"])
    assert not after.failed.any()


def _home(batch):
    fractional = to_fractional(batch.positions, batch.cell, batch.crystal_index)
    return to_cartesian(fractional, batch.cell, batch.crystal_index)
