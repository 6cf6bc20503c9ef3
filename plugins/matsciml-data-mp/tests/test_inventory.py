"""What the plugin says about benchmark tasks agrees with its data."""

from __future__ import annotations

import json

from matsciml_core.interfaces.head import label_mask
from matsciml_data_mp.dataset import MaterialsProject
from matsciml_data_mp.declaration import declare
from matsciml_data_mp.inventory import SIZES_FILE, take_inventory


def test_sizes_are_those_of_the_default_split() -> None:
    dataset = MaterialsProject()
    batch = dataset.__getitems__(range(len(dataset)))
    subsets = dataset.split().indices(dataset.ids)
    found = {}
    for name, info in dataset.targets.items():
        known = label_mask(batch.targets[name], info).numpy()
        found[name] = [int(known[indices].sum()) for indices in subsets.values()]
    assert json.loads(SIZES_FILE.read_text("utf-8")) == found
    assert take_inventory().sizes["band_gap"] == (854, 102, 100)


def test_the_one_published_label_that_the_data_lacks_is_the_fermi_energy() -> None:
    assert len(declare("release").tasks) == 5
    missing = {task.target for task in declare("release").tasks} - take_inventory().sizes.keys()
    assert missing == {"fermi_energy"}
