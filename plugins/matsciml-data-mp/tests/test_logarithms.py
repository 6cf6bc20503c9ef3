"""Labels that are made of others as a batch is read."""

from __future__ import annotations

import torch

from matsciml_data_mp.dataset import MaterialsProject
from matsciml_data_mp.logarithms import LOGARITHMS, add_logarithms


def test_they_are_decimal_logarithms_and_missing_where_their_modulus_is() -> None:
    dataset = MaterialsProject()
    batch = dataset.__getitems__(range(len(dataset)))
    for name, of in LOGARITHMS.items():
        assert torch.equal(batch.targets[name].isnan(), batch.targets[of].isnan())
        back = torch.nan_to_num(10 ** batch.targets[name])
        torch.testing.assert_close(back, torch.nan_to_num(batch.targets[of]), rtol=1e-12, atol=0)
        assert batch.target_info[name].unit == "log10(GPa)"


def test_a_modulus_that_is_not_positive_has_none() -> None:
    dataset = MaterialsProject()
    index = dataset.ids.index("mp-13")
    batch = dataset.store.read([index, index, index])
    batch.targets["bulk_modulus_vrh"][:2] = torch.tensor([0.0, -1.0])
    values = add_logarithms(batch, dataset.targets).targets["log_bulk_modulus_vrh"]
    assert values.isnan().tolist() == [True, True, False]
