"""Devices and precisions by name."""

from __future__ import annotations

import pytest
import torch

from matsciml_core.errors import ConfigError
from matsciml_core.model.devices import find_device, find_precision


class TestDevice:
    def test_cpu(self) -> None:
        assert find_device("cpu") == torch.device("cpu")

    @pytest.mark.parametrize(("gpu", "found"), [(True, "cuda"), (False, "cpu")])
    def test_auto_is_a_gpu_where_there_is_one(
        self, gpu: bool, found: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: int(gpu))
        assert find_device("auto") == torch.device(found)

    def test_gpus_are_counted_from_zero(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        assert find_device("cuda:1").index == 1
        with pytest.raises(ConfigError, match=r"device 'cuda:2' .* torch sees 2 GPUs; use auto"):
            find_device("cuda:2")

    @pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda", "meta", "xla"])
    def test_that_cannot_compute_here(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
        with pytest.raises(ConfigError, match=rf"device '{name}' .* torch sees no GPU; use auto"):
            find_device(name)


def test_precision() -> None:
    assert find_precision("float64") is torch.float64
    with pytest.raises(ConfigError, match="no precision 'half'; choices: float32, float64"):
        find_precision("half")
