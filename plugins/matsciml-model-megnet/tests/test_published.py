"""The published networks give the published numbers.

Reference: matgl's weights, evaluated by an independent implementation in float64; see the
README beside the numbers.
"""

from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load_file

from matsciml_core import CrystalBatch
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_model_megnet.block import Features
from matsciml_model_megnet.weights import PublishedMEGNet, convert_published, load_published

FORMATION = "structures_and_predictions.json"
GAP = "bandgap_structures_and_predictions.json"
FIDELITIES = range(4)


@pytest.fixture(scope="module")
def formation(parity) -> Callable[[], PublishedMEGNet]:
    return lambda: load_published(parity / "megnet_mp2018_eform.safetensors")


@pytest.fixture(scope="module")
def gap(parity) -> Callable[[int], PublishedMEGNet]:
    file = parity / "megnet_mp2019_bandgap_mfi.safetensors"
    return lambda fidelity: load_published(file, state_index=fidelity)


def with_edges(batch: CrystalBatch, model: PublishedMEGNet, dtype=torch.float64) -> CrystalBatch:
    return attach_neighbours(batch, model.encoder.neighbours).to(dtype=dtype)


class TestFormationEnergy:
    def test_edge_counts(self, reference, formation):
        records, batch = reference(FORMATION)
        batch = with_edges(batch, formation())
        found = [part.sum().item() for part in split_edges(batch)]
        assert len(found) >= 100
        assert found == [record["num_edges_4A"] for record in records]

    @pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-6), (torch.float32, 1e-5)])
    def test_every_prediction(self, reference, formation, dtype, limit):
        records, batch = reference(FORMATION)
        model = formation().to(dtype)
        found = model.predict(with_edges(batch, model, dtype)).double()
        wanted = torch.tensor([r["pred_float64"] for r in records], dtype=torch.float64)
        assert (found - wanted).abs().max() < limit

    def test_every_prediction_beside_matgl(self, reference, formation):
        records, batch = reference(FORMATION)
        found = formation().predict(batch.to(dtype=torch.float32))
        wanted = torch.tensor([r["pred_matgl_float32"] for r in records])
        assert (found - wanted).abs().max() < 1e-5

    def test_error_against_the_labels(self, reference, formation):
        records, batch = reference(FORMATION)
        found = formation().predict(batch)
        labels = torch.tensor([r["label_eV_per_atom"] for r in records])
        predictions = torch.tensor([r["pred_float64"] for r in records])
        mine, theirs = ((x - labels).abs().mean() for x in (found, predictions))
        assert mine == pytest.approx(theirs.item(), abs=1e-6)
        assert mine < 0.03

    def test_intermediate_features(self, parity, reference, formation):
        _, batch = reference(FORMATION)
        wanted = load_file(parity / "intermediates_float64.safetensors")
        model = formation().double()
        known = {name.split("/")[0] for name in wanted}
        crystals = [crystal for crystal in batch.crystals() if crystal.id in known]
        assert len(crystals) >= 2
        for crystal in crystals:
            single = with_edges(CrystalBatch.from_crystals([crystal]), model)
            folder = f"{crystal.id}/"
            of_crystal = {k.removeprefix(folder): v for k, v in wanted.items() if folder in k}
            compare_intermediates(model, single, of_crystal)

    def test_caesium_chloride(self, formation):
        found = formation().double().predict(caesium_chloride())
        assert found.item() == pytest.approx(-2.272228, abs=1e-6)


class TestBandGap:
    def test_edge_counts(self, reference, gap):
        records, batch = reference(GAP)
        found = [part.sum().item() for part in split_edges(with_edges(batch, gap(0)))]
        assert found == [record["num_edges_5A"] for record in records]

    @pytest.mark.parametrize("fidelity", FIDELITIES)
    def test_every_prediction(self, reference, gap, fidelity):
        records, batch = reference(GAP)
        wanted = [record["pred_float64_by_fidelity"][fidelity] for record in records]
        model = gap(fidelity).double()
        found = model.predict(with_edges(batch, model))
        assert (found - torch.tensor(wanted, dtype=torch.float64)).abs().max() < 1e-6

    @pytest.mark.parametrize("fidelity", FIDELITIES)
    def test_every_prediction_in_float32(self, reference, gap, fidelity):
        """The publishers' own float32 numbers are up to 6.4e-5 eV off the float64 ones."""
        records, batch = reference(GAP)
        wanted = torch.tensor([record["pred_float64_by_fidelity"][fidelity] for record in records])
        theirs = [record["pred_matgl_float32_by_fidelity"][fidelity] for record in records]
        model = gap(fidelity)
        found = model.predict(with_edges(batch, model, torch.float32))
        assert (found - wanted).abs().max() < 6.4e-5
        assert (found - torch.tensor(theirs)).abs().max() < 1.3e-4

    def test_caesium_chloride(self, gap):
        found = [gap(k).double().predict(caesium_chloride()).item() for k in FIDELITIES]
        assert found == pytest.approx([4.82538, 8.32330, 6.31711, 5.96525], abs=1e-5)


@pytest.mark.parametrize("name", ["megnet_mp2018_eform", "megnet_mp2019_bandgap_mfi"])
def test_conversion_round_trip(parity, reference, tmp_path, name):
    source = parity / f"{name}.safetensors"
    folder = convert_published(source, parity / f"{name}.json", tmp_path / "converted")
    records, batch = reference(FORMATION if "eform" in name else GAP)
    converted, original = load_published(folder).double(), load_published(source).double()
    found = converted.predict(batch)
    assert torch.equal(found, original.predict(batch))
    wanted = [r.get("pred_float64", r.get("pred_float64_by_fidelity", [0])) for r in records]
    first = torch.tensor([w if isinstance(w, float) else w[0] for w in wanted]).double()
    assert (found - first).abs().max() < 1e-6


def split_edges(batch: CrystalBatch) -> tuple[torch.Tensor, ...]:
    """Return the edges per atom of each crystal."""
    return batch.edges_per_atom.split(batch.atoms_per_crystal.tolist())


def caesium_chloride() -> CrystalBatch:
    from matsciml_core import Crystal

    crystal = Crystal.from_fractional(
        id="CsCl",
        atomic_numbers=[55, 17],
        fractional=[[0, 0, 0], [0.5, 0.5, 0.5]],
        cell=4.1437 * torch.eye(3).double().numpy(),
    )
    return CrystalBatch.from_crystals([crystal])


def compare_intermediates(
    model: PublishedMEGNet, batch: CrystalBatch, wanted: dict[str, torch.Tensor]
) -> None:
    """Compare distances and all features, edges in an order that both sides share."""
    seen: dict[str, torch.Tensor] = {}
    encoder = model.encoder
    handles = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name, module in (
            ("enc/edge", encoder.encode_edges),
            ("enc/node", encoder.encode_atoms),
            ("enc/state", encoder.encode_state),
        )
    ]

    def keep(number: int, out: Features) -> None:
        parts = {"edge": out.edges, "node": out.atoms, "state": out.state}
        seen.update({f"block{number}/{part}": value for part, value in parts.items()})

    handles += [
        block.register_forward_hook(lambda _m, _i, out, number=number: keep(number, out))
        for number, block in enumerate(encoder.blocks)
    ]
    seen["readout"] = encoder(batch).crystals
    for handle in handles:
        handle.remove()
    distances = batch.edge_vectors().norm(dim=1)
    ours = common_order(batch.edge_index[0], batch.edge_index[1], distances)
    theirs = common_order(wanted["src"], wanted["dst"], wanted["dist"])
    torch.testing.assert_close(distances[ours], wanted["dist"][theirs], rtol=0, atol=1e-9)
    assert len(seen) == 13
    for name, found in seen.items():
        expected = wanted[name]
        if name.endswith("edge"):
            found, expected = found[ours], expected[theirs]
        torch.testing.assert_close(found.squeeze(0), expected, rtol=0, atol=1e-7, msg=name)


def common_order(sender: torch.Tensor, receiver: torch.Tensor, lengths: torch.Tensor) -> list[int]:
    keys = zip(receiver.tolist(), sender.tolist(), lengths.tolist(), strict=True)
    return [position for _, position in sorted((key, k) for k, key in enumerate(keys))]
