"""The head: constants, units, masks, derivatives and learning."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, TargetInfo, with_gradients
from matsciml_core.data import attach_neighbours
from matsciml_core.errors import ConfigError, DataError, UnitError
from matsciml_core.interfaces.strategy import Task
from matsciml_core.model.evaluate import evaluate
from matsciml_core.testing.examples import ExampleEncoder
from matsciml_head_forces.config import EnergyForcesConfig
from matsciml_head_forces.derivatives import derivatives
from matsciml_head_forces.head import EnergyForcesHead

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
STRESS = TargetInfo(name="stress", kind="stress", unit="eV/Å³")
ALL = (ENERGY, FORCES, STRESS)


def crystal(name, seed, *, without=()):
    random = np.random.default_rng(seed)
    labels = {
        "energy": -8.0 + random.normal(),
        "forces": random.normal(size=(2, 3)),
        "stress": 0.1 * random.normal(size=(3, 3)),
    }
    return Crystal(
        id=name,
        atomic_numbers=[29, 79],
        positions=[[0, 0, 0], [1.9 + 0.1 * random.normal(), 2.0, 1.8]],
        cell=3.9 * np.eye(3),
        labels={key: value for key, value in labels.items() if key not in without},
    )


def batch_of(*crystals, targets=ALL):
    return CrystalBatch.from_crystals(crystals, targets)


def head_for(targets=ALL, width=16, **settings):
    torch.manual_seed(0)
    return EnergyForcesHead(targets, width, width, EnergyForcesConfig(**settings)).double()


def ready(batch, head, encoder):
    batch = attach_neighbours(batch, encoder.neighbours)
    return with_gradients(batch, [head])


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return ExampleEncoder().double()


@pytest.fixture(scope="module")
def batch():
    return batch_of(*(crystal(str(k), k) for k in range(6)))


class TestConstants:
    def test_forces_set_the_scale_where_they_are_trained(self, batch):
        head = head_for()
        head.fit([batch])
        assert head.std == pytest.approx(batch.targets["forces"].square().mean().sqrt())

    def test_energies_set_it_where_they_are_alone_or_asked_for(self, batch):
        per_atom = batch.targets["energy"] / 2
        for head in (head_for([ENERGY]), head_for(scale="energy")):
            head.fit([batch])
            assert head.std == pytest.approx(per_atom.std(correction=0))

    def test_forces_alone_need_no_energy(self, batch):
        head = head_for([FORCES])
        head.fit([batch])
        assert head.std > 0
        assert not head.references.any()

    def test_forces_and_energies_share_one_scale(self, batch):
        head = head_for()
        head.fit([batch])
        target = head.transform(batch)
        torch.testing.assert_close(target["forces"] * head.std, batch.targets["forces"])
        energy = (target["energy"] * head.std + head.mean) * 2 + head.references[[29, 79]].sum()
        torch.testing.assert_close(energy, batch.targets["energy"])

    def test_the_same_energy_everywhere_is_refused(self):
        same = [replace(crystal(str(k), k), labels={"energy": -8.0}) for k in range(3)]
        with pytest.raises(DataError, match="'energy' has no spread beyond"):
            head_for([ENERGY]).fit([batch_of(*same, targets=[ENERGY])])

    def test_a_split_without_forces_is_refused(self):
        bare = batch_of(*(crystal(str(k), k, without=("forces",)) for k in range(3)))
        with pytest.raises(DataError, match=r"No crystal .* label 'forces'"):
            head_for().fit([bare])


class TestRefusals:
    @pytest.mark.parametrize(
        ("info", "unit"), [(ENERGY, "eV/atom"), (ENERGY, "K"), (FORCES, "eV"), (STRESS, "GPa")]
    )
    def test_other_units_name_the_label(self, info, unit):
        with pytest.raises(UnitError, match=f"Label '{info.name}' is in {unit}"):
            head_for([replace(info, unit=unit)])

    @pytest.mark.parametrize("unit", ["hartree", "meV"])
    def test_units_that_the_project_does_not_know_name_the_label(self, unit):
        with pytest.raises(UnitError, match=f"Label 'energy' has the unit '{unit}'"):
            replace(ENERGY, unit=unit)

    def test_two_energies_are_refused(self):
        with pytest.raises(ConfigError, match="at most one energy"):
            head_for([ENERGY, replace(ENERGY, name="other")])

    def test_positions_without_gradients_are_refused(self, batch, encoder):
        bare = attach_neighbours(batch, encoder.neighbours)
        head = head_for()
        with pytest.raises(ConfigError, match="with_gradients"):
            head(encoder(bare), bare)


class TestMasks:
    @pytest.mark.parametrize("absurd", [1e30, -1e30, 0.0, float("nan")])
    def test_masked_labels_do_not_matter_however_absurd(self, batch, encoder, absurd):
        head = head_for()
        head.fit([batch])
        holed = batch_of(
            crystal("0", 0),
            crystal("1", 1, without=("energy",)),
            crystal("2", 2, without=("forces", "stress")),
            crystal("3", 3),
        )
        seen = ready(holed, head, encoder)
        prediction = head(encoder(seen), seen)
        target, mask = head.transform(holed), head.mask(holed)
        filled = {name: torch.where(mask[name], value, absurd) for name, value in target.items()}
        expected = head.loss(prediction, target, mask)
        torch.testing.assert_close(head.loss(prediction, filled, mask), expected)
        assert expected.isfinite()

    def test_an_absurd_masked_label_changes_no_parameter_gradient(self, batch, encoder):
        head = head_for().train()
        head.fit([batch])
        gradients = []
        for absurd in (float("nan"), 1e25):
            labels = batch.targets["forces"].clone()
            labels[4:7] = float("nan")
            holed = replace(batch, targets={**batch.targets, "forces": labels})
            mask = head.mask(holed)
            seen = ready(holed, head, encoder)
            prediction = head(encoder(seen), seen)
            target = head.transform(holed)
            target["forces"] = torch.where(mask["forces"], target["forces"], absurd)
            loss = head.loss(prediction, target, mask)
            gradients.append(torch.autograd.grad(loss, list(head.parameters())))
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other)

    def test_a_force_with_a_missing_component_is_missing(self, batch):
        head = head_for()
        labels = batch.targets["forces"].clone()
        labels[3, 1] = float("nan")
        holed = replace(batch, targets={**batch.targets, "forces": labels})
        assert head.mask(holed)["forces"][3].tolist() == [False] * 3
        assert head.mask(holed)["forces"].sum() == 33

    def test_a_batch_that_carries_no_forces_trains_on_the_energy_alone(self, batch, encoder):
        head = head_for([ENERGY, FORCES])
        head.fit([batch])
        bare = replace(batch, targets={"energy": batch.targets["energy"]})
        seen = ready(bare, head, encoder)
        prediction = head(encoder(seen), seen)
        loss = head.loss(prediction, head.transform(bare), head.mask(bare))
        error = (prediction["energy"] - head.transform(bare)["energy"]).abs().mean()
        torch.testing.assert_close(loss, error / 11)


class TestSchedule:
    """The weight of energies may change during training."""

    def parts(self, batch, encoder, **settings):
        head = head_for([ENERGY, FORCES], **settings)
        head.fit([batch])
        seen = ready(batch, head, encoder)
        prediction, target = head(encoder(seen), seen), head.transform(seen)
        errors = [(prediction[k] - target[k]).abs().mean().detach() for k in ("energy", "forces")]
        return head, lambda: head.loss(prediction, target, head.mask(seen)), errors

    @pytest.mark.parametrize(
        ("start", "progress", "weight"),
        [(0.01, 0.0, 0.2), (0.01, 0.5, 2.0), (0.01, 1.0, 20.0), (100.0, 0.5, 200.0)],
    )
    def test_the_weight_of_energies_goes_by_equal_factors(
        self, batch, encoder, start, progress, weight
    ):
        settings = {"energy_weight": 20.0, "energy_start": start, "forces_weight": 5.0}
        head, loss, (energy, forces) = self.parts(batch, encoder, **settings)
        head.progress = progress
        expected = (weight * energy + 5.0 * forces) / (weight + 5.0)
        torch.testing.assert_close(loss(), expected)

    def test_outside_training_the_weights_are_those_of_the_end(self, batch, encoder):
        _, loss, (energy, forces) = self.parts(batch, encoder, energy_start=10.0)
        torch.testing.assert_close(loss(), (energy + 10 * forces) / 11)

    def test_they_are_constant_unless_asked_for(self, batch, encoder):
        head, loss, _ = self.parts(batch, encoder)
        constant = loss()
        head.progress = 0.0
        torch.testing.assert_close(loss(), constant)

    def test_energies_alone_have_no_schedule(self, batch, encoder):
        head = head_for([ENERGY])
        head.fit([batch])
        prediction, target = {"energy": batch.targets["energy"]}, head.transform(batch)
        expected = head.loss(prediction, target, head.mask(batch))
        head.progress = 0.0
        torch.testing.assert_close(head.loss(prediction, target, head.mask(batch)), expected)


class TestFixedAtoms:
    """What pulls at an atom that is held in place is nobody's business."""

    def held(self, batch, absurd):
        """Hold every other atom in place, and let absurd forces pull at it."""
        fixed = torch.arange(batch.num_atoms) % 2
        forces = torch.where(fixed[:, None] == 1, absurd, batch.targets["forces"])
        return replace(
            batch,
            site_properties={"fixed": fixed.to(torch.uint8)},
            targets={**batch.targets, "forces": forces},
        )

    @pytest.fixture
    def free(self, batch):
        """The same, the forces on those atoms being missing."""
        return replace(self.held(batch, float("nan")), site_properties={})

    def gradients(self, batch, encoder):
        head = head_for().train()
        head.fit([batch])
        seen = ready(batch, head, encoder)
        prediction = head(encoder(seen), seen)
        loss = head.loss(prediction, head.transform(seen), head.mask(seen))
        return [loss.detach(), *torch.autograd.grad(loss, list(head.parameters()))]

    @pytest.mark.parametrize("absurd", [1e6, -1e6, 0.0])
    def test_they_train_nothing(self, batch, free, encoder, absurd):
        found = self.gradients(self.held(batch, absurd), encoder)
        for one, other in zip(found, self.gradients(free, encoder), strict=True):
            torch.testing.assert_close(one, other)

    def test_they_set_no_scale(self, batch, free):
        heads = [head_for() for _ in range(2)]
        for head, part in zip(heads, (self.held(batch, 1e6), free), strict=True):
            head.fit([part])
        assert heads[0].std == heads[1].std == heads[0].force_rms
        assert 0.1 < heads[0].std < 10

    def test_they_are_not_scored(self, batch, encoder):
        head = head_for([ENERGY, FORCES])
        head.fit([batch])
        held = attach_neighbours(self.held(batch, 1e6), encoder.neighbours)
        task = Task(dataset="slabs", head_name="energy-forces", head=head)
        scores = evaluate(encoder, [task], {"slabs": [held]}, torch.device("cpu"))
        found = scores["slabs/forces"]
        free = batch.targets["forces"][::2]
        assert found.count == len(free)
        assert found.summary("zero")["mae"] == pytest.approx(free.abs().mean().item())
        assert found.summary("model")["rmse"] < 10
        assert scores["slabs/energy"].count == 6

    def test_the_energy_counts_all_the_same(self, batch):
        head = head_for()
        mask = head.mask(self.held(batch, 0.0))
        assert mask["energy"].all()
        assert mask["stress"].all()
        assert mask["forces"].sum() == 3 * 6


class TestDerivatives:
    def test_stress_of_a_known_energy(self):
        # E = c · V: the stress is c times the unit matrix, positive since stretching costs energy.
        batch = with_gradients(batch_of(crystal("a", 0)), [head_for()])
        energy = 0.3 * torch.linalg.det(batch.cell)
        forces, stress = derivatives(energy, batch, create_graph=False, stress=True)
        torch.testing.assert_close(stress[0], 0.3 * torch.eye(3, dtype=torch.float64))
        assert not forces.any()

    def test_forces_pull_back(self):
        batch = with_gradients(batch_of(crystal("a", 0)), [head_for([FORCES])])
        energy = 0.5 * batch.positions.square().sum().reshape(1)
        forces, stress = derivatives(energy, batch, create_graph=False, stress=False)
        torch.testing.assert_close(forces, -batch.positions.detach())
        assert stress is None

    def test_forces_of_a_crystal_sum_to_zero(self, batch, encoder):
        head = head_for()
        head.fit([batch])
        seen = ready(batch, head, encoder)
        forces = head(encoder(seen), seen)["forces"].detach()
        assert forces.abs().max() > 1e-4
        sums = torch.zeros(6, 3, dtype=torch.float64).index_add(0, batch.crystal_index, forces)
        assert sums.abs().max() < 1e-12

    def test_only_stress_needs_the_cell(self):
        assert head_for().needs_cell_gradient
        assert not head_for([ENERGY, FORCES]).needs_cell_gradient
        assert not head_for([ENERGY]).needs_position_gradient


def test_forces_are_learnt_from_a_handful_of_crystals(encoder):
    torch.manual_seed(3)
    teacher = head_for(hidden=(8,))
    pupil = head_for([ENERGY, FORCES])
    crystals = batch_of(*(crystal(str(k), k) for k in range(8)), targets=[])
    seen = ready(crystals, teacher, encoder)
    taught = teacher(encoder(seen), seen)
    labels = {"energy": 2 * taught["energy"].detach(), "forces": taught["forces"].detach()}
    batch = replace(
        attach_neighbours(crystals, encoder.neighbours),
        targets=labels,
        target_info={"energy": ENERGY, "forces": FORCES},
    )
    pupil.fit([batch])
    pupil.train()
    optimiser = torch.optim.Adam(pupil.parameters(), lr=1e-2)
    for _ in range(150):
        seen = with_gradients(batch, [pupil])
        prediction = pupil(encoder(seen), seen)
        loss = pupil.loss(prediction, pupil.transform(seen), pupil.mask(seen))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    forces = pupil.inverse_transform(prediction, seen)["forces"].detach()
    error = (forces - labels["forces"]).abs().mean()
    assert error < 0.2 * labels["forces"].abs().mean()


def test_baseline_predictors(batch):
    head = head_for()
    head.fit([batch])
    found = head.baseline_predictions(batch)
    assert found.keys() == {"mean", "composition", "zero"}
    mean = batch.targets["energy"].mean()
    torch.testing.assert_close(found["mean"]["energy"], mean.expand(6))
    torch.testing.assert_close(found["composition"]["energy"], mean.expand(6))
    assert not found["zero"]["forces"].any()
    torch.testing.assert_close(found["mean"]["stress"][0], batch.targets["stress"].mean(0))


def test_cosine_leaves_out_atoms_without_a_force(batch):
    metric = head_for().metrics()["forces"]["cosine"]
    labels = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 2.0, 0]])
    predicted = torch.tensor([[2.0, 0, 0], [5.0, 5, 5], [0, 0, 1.0]])
    metric.update(predicted.flatten(), labels.flatten())
    assert metric.compute().item() == pytest.approx(0.5)


class TestAdoption:
    """Starting from a trained head on data of another scale and another level of theory."""

    SHIFT = {29: 5.0, 79: -40.0}

    def other_level(self, batch):
        """Return the crystals with three times the forces and an energy per element more."""
        targets = dict(batch.targets)
        targets["forces"] = 3.0 * targets["forces"]
        targets["energy"] = targets["energy"] + sum(self.SHIFT.values())
        return replace(batch, targets=targets)

    def energies(self, head, encoder, batch):
        seen = ready(batch, head, encoder)
        return head.inverse_transform(head(encoder(seen), seen), seen)

    def adopted(self, encoder, batch, targets=ALL):
        trained = head_for()
        trained.fit([batch])
        head = head_for(targets)
        torch.nn.init.ones_(head.layers.layers[0].weight)
        other = self.other_level(batch)
        head.fit([other])
        head.adopt(trained.state_dict(), encoder, [ready(other, head, encoder)])
        return trained, head, other

    @pytest.mark.parametrize("targets", [ALL, (ENERGY, FORCES)], ids=["all", "without stress"])
    def test_keeps_the_forces_of_the_trained_head(self, encoder, batch, targets):
        trained, head, other = self.adopted(encoder, batch, targets)
        assert head.std == pytest.approx(3.0 * trained.std)
        expected = self.energies(trained, encoder, batch)["forces"]
        found = self.energies(head, encoder, other)["forces"]
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)

    def test_fits_the_references_to_what_the_network_leaves(self, encoder, batch):
        _, head, other = self.adopted(encoder, batch)
        found = self.energies(head, encoder, other)["energy"]
        # One composition: what can be fitted is the mean.
        rest = found.detach() - other.targets["energy"]
        assert rest.mean().item() == pytest.approx(0.0, abs=1e-9)

    def test_leaves_the_baselines_to_the_labels(self, encoder, batch):
        _, head, other = self.adopted(encoder, batch)
        found = head.baseline_predictions(other)["composition"]["energy"]
        torch.testing.assert_close(found, other.targets["energy"].mean().expand(6))


def test_a_head_that_was_saved_without_the_baseline_can_be_loaded(batch):
    head = head_for()
    head.fit([batch])
    state = {name: one for name, one in head.state_dict().items() if name != "composition"}
    other = head_for()
    other.load_state_dict(state)
    torch.testing.assert_close(other.composition, head.composition)
