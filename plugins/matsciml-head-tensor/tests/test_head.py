"""What is special about the head for tensors: its constants, its start, its metrics, its errors."""

import numpy as np
import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, Embedding, TargetInfo, TensorEmbedding
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.testing.transforms import random_rotation, turn
from matsciml_head_tensor.config import TensorConfig
from matsciml_head_tensor.head import TensorRegressionHead
from matsciml_head_tensor.metrics import AnisotropicError, ErrorNorm, IsotropicError

DIELECTRIC = TargetInfo(
    name="dielectric", kind="tensor", rank=2, unit="dimensionless", symmetric=True
)
DIPOLE = TargetInfo(name="dipole", kind="tensor", rank=1, unit="e·Å", extensive=True)
BORN = TargetInfo(name="born", kind="tensor", rank=2, unit="e", per_atom=True)
NAMES = ["dielectric", "dipole", "born"]


def crystal(name, numbers, **labels):
    return Crystal(
        id=name,
        atomic_numbers=numbers,
        positions=[[2.0 * k, 0.0, 0.0] for k in range(len(numbers))],
        cell=2.0 * len(numbers) * np.eye(3),
        labels=labels,
    )


def head(info, **settings):
    return TensorRegressionHead(
        [info], 6, 6, TensorConfig(**settings), vector_width=4, matrix_width=3
    ).double()


def embedding_of(batch):
    """Return random features; matrices are symmetric and without trace."""
    torch.manual_seed(0)
    atoms = torch.randn(batch.num_atoms, 6, dtype=torch.float64)
    matrices = torch.randn(batch.num_atoms, 3, 3, 3, dtype=torch.float64)
    matrices = matrices + matrices.transpose(2, 3)
    trace = matrices.diagonal(dim1=2, dim2=3).mean(-1)[..., None, None]
    return TensorEmbedding(
        atoms=atoms,
        crystals=torch.zeros(batch.num_crystals, 6, dtype=torch.float64),
        vectors=torch.randn(batch.num_atoms, 4, 3, dtype=torch.float64),
        matrices=matrices - trace * torch.eye(3),
    )


def labelled(info):
    """Return two crystals with random labels, and one without."""
    random = np.random.default_rng(0)
    crystals = [crystal("bare", [11, 17])]
    for name, numbers in (("a", [11, 17]), ("b", [11, 11, 17])):
        value = random.normal(size=info.value_shape(len(numbers)))
        value = value + value.swapaxes(-1, -2) if info.symmetric else value
        crystals.append(crystal(name, numbers, **{info.name: value}))
    return CrystalBatch.from_crystals(crystals, [info])


def test_constants_of_a_matrix_are_its_mean_trace_and_the_spread_around_it():
    batch = labelled(DIELECTRIC)
    fitted = head(DIELECTRIC)
    fitted.fit([batch])
    labels = batch.targets["dielectric"][1:]
    mean = labels.diagonal(dim1=1, dim2=2).mean()
    assert fitted.mean.item() == pytest.approx(mean.item())
    rest = labels - mean * torch.eye(3)
    assert fitted.std.item() == pytest.approx(rest.square().mean().sqrt().item())


def test_constants_of_a_vector_are_per_atom_where_it_is_extensive():
    batch = labelled(DIPOLE)
    fitted = head(DIPOLE)
    fitted.fit([batch])
    per_atom = batch.targets["dipole"][1:] / torch.tensor([[2.0], [3.0]])
    assert fitted.mean.item() == 0.0
    assert fitted.std.item() == pytest.approx(per_atom.square().mean().sqrt().item())


@pytest.mark.parametrize("info", [DIELECTRIC, DIPOLE, BORN], ids=NAMES)
def test_an_untrained_head_predicts_its_baseline(info):
    batch = labelled(info)
    fitted = head(info)
    fitted.fit([batch])
    predicted = fitted.inverse_transform(fitted(embedding_of(batch), batch), batch)[info.name]
    baseline = fitted.baseline_predictions(batch)["zero" if info.rank == 1 else "mean"]
    torch.testing.assert_close(predicted, baseline[info.name])


@pytest.mark.parametrize("info", [DIELECTRIC, DIPOLE, BORN], ids=NAMES)
@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
def test_a_trained_head_turns_with_its_features(info, sign):
    batch = labelled(info)
    fitted = head(info)
    fitted.fit([batch])
    for parameter in fitted.parameters():
        torch.nn.init.normal_(parameter)
    before = embedding_of(batch)
    matrix = sign * random_rotation(np.random.default_rng(1))
    after = TensorEmbedding(
        atoms=before.atoms,
        crystals=before.crystals,
        vectors=torch.from_numpy(turn(before.vectors, matrix, 1)),
        matrices=torch.from_numpy(turn(before.matrices, matrix, 2)),
    )
    predicted = [
        fitted.inverse_transform(fitted(one, batch), batch)[info.name].detach()
        for one in (before, after)
    ]
    turned = torch.from_numpy(turn(predicted[0], matrix, info.rank))
    torch.testing.assert_close(predicted[1], turned)
    assert not torch.allclose(predicted[0], predicted[1], atol=1e-2)


def test_autocast_leaves_the_components_in_full_precision():
    batch = labelled(BORN)
    part = head(BORN).float()
    for parameter in part.parameters():
        torch.nn.init.normal_(parameter)
    before = embedding_of(batch)
    single = TensorEmbedding(
        atoms=before.atoms.float(),
        crystals=before.crystals.float(),
        vectors=before.vectors.float(),
        matrices=before.matrices.float(),
    )
    matrix = random_rotation(np.random.default_rng(1))
    turned = TensorEmbedding(
        atoms=single.atoms,
        crystals=single.crystals,
        vectors=torch.from_numpy(turn(single.vectors, matrix, 1)).float(),
        matrices=torch.from_numpy(turn(single.matrices, matrix, 2)).float(),
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values, after = (part(one, batch)["born"].detach() for one in (single, turned))
    assert values.dtype == torch.float32
    expected = torch.from_numpy(turn(values, matrix, 2)).float()
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-4)


def test_only_a_symmetric_label_has_a_symmetric_prediction():
    batch = labelled(BORN)
    plain, symmetric = (head(info) for info in (BORN, DIELECTRIC))
    for part in (plain, symmetric):
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter)
    embedding = embedding_of(batch)
    found = plain(embedding, batch)["born"]
    assert not torch.allclose(found, found.transpose(1, 2))
    found = symmetric(embedding, batch)["dielectric"]
    torch.testing.assert_close(found, found.transpose(1, 2))


@pytest.mark.parametrize(("loss", "expected"), [("norm", 2.0), ("mse", 4.0)])
def test_losses_are_means_over_the_labelled_tensors(loss, expected):
    part = head(DIPOLE, loss=loss)
    prediction = {"dipole": torch.zeros(2, 3)}
    target = {"dipole": torch.tensor([[2.0, -2.0, 2.0], [float("nan")] * 3])}
    mask = {"dipole": ~target["dipole"].isnan()}
    assert part.loss(prediction, target, mask).item() == pytest.approx(expected)


def test_elements_are_a_baseline_of_atoms_too():
    values = {11: 1.1 * np.eye(3), 17: -1.2 * np.eye(3)}
    numbers = [11, 17, 17]
    batch = CrystalBatch.from_crystals(
        [crystal("a", numbers, born=np.stack([values[number] for number in numbers]))], [BORN]
    )
    fitted = head(BORN)
    fitted.fit([batch])
    new = CrystalBatch.from_crystals([crystal("b", [17, 11, 92])], [BORN])
    found = fitted.baseline_predictions(new)["composition"]["born"]
    expected = [-1.2, 1.1, (1.1 - 2.4) / 3]
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64)[:, None, None] * torch.eye(3)
    )


def test_metrics_of_a_matrix_do_not_depend_on_the_axes():
    errors = torch.tensor([[[3.0, 0, 0], [0, 0, 0], [0, 0, 0]]]).double()
    matrix = random_rotation(np.random.default_rng(3))
    for values in (errors, torch.from_numpy(turn(errors, matrix, 2))):
        for metric, expected in (
            (ErrorNorm((3, 3)), 3.0),
            (IsotropicError((3, 3)), 1.0),
            (AnisotropicError((3, 3)), 6**0.5),
        ):
            metric.set_dtype(torch.float64)
            metric.update(values.flatten(), torch.zeros(9, dtype=torch.float64))
            assert metric.compute().item() == pytest.approx(expected)


def test_error_of_vectors_is_a_length():
    metric = ErrorNorm((3,))
    metric.update(torch.tensor([3.0, 4.0, 0.0, 0.0, 0.0, 1.0]), torch.zeros(6))
    assert metric.compute().item() == 3.0


def test_a_split_without_labels_is_an_error():
    bare = CrystalBatch.from_crystals([crystal("a", [11])], [DIELECTRIC])
    with pytest.raises(DataError, match=r"No crystal .* 'dielectric'"):
        head(DIELECTRIC).fit([bare])


def test_labels_that_are_all_the_same_are_an_error():
    same = [crystal(name, [11], dielectric=2.5 * np.eye(3)) for name in "ab"]
    with pytest.raises(DataError, match="'dielectric' is the same for every training crystal"):
        head(DIELECTRIC).fit([CrystalBatch.from_crystals(same, [DIELECTRIC])])


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (TargetInfo(name="gap", kind="scalar", unit="eV"), "rank 1 or 2, and 'gap' is scalar"),
        (
            TargetInfo(name="piezo", kind="tensor", rank=3, unit="C/m²"),
            "rank 1 or 2, and 'piezo' is tensor, 3 x 3 x 3",
        ),
    ],
)
def test_other_labels_are_an_error(info, words):
    with pytest.raises(ConfigError, match=words):
        head(info)


def test_several_targets_are_an_error():
    with pytest.raises(ConfigError, match="one target, not dielectric, born"):
        TensorRegressionHead([DIELECTRIC, BORN], 6, 6, vector_width=4, matrix_width=3)


@pytest.mark.parametrize(("info", "matrices"), [(DIPOLE, 3), (BORN, 0)], ids=["vector", "matrix"])
def test_an_encoder_without_vectors_is_an_error(info, matrices):
    with pytest.raises(ConfigError, match="The encoder gives no vectors"):
        TensorRegressionHead([info], 6, 6, vector_width=0, matrix_width=matrices)


def test_an_embedding_that_does_not_turn_is_an_error():
    batch = labelled(DIELECTRIC)
    plain = Embedding(atoms=torch.zeros(batch.num_atoms, 6), crystals=torch.zeros(3, 6))
    with pytest.raises(ConfigError, match="need an encoder whose embedding has vectors"):
        head(DIELECTRIC)(plain, batch)
