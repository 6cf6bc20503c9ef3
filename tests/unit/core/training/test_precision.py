"""What ``training.precision=auto`` means."""

from __future__ import annotations

import pytest

from matsciml_core import PLAIN_TRAINING, EncoderCapabilities, EncoderSpec
from matsciml_core.cores import has_bfloat16
from matsciml_core.training import precision
from matsciml_core.training.config import build_config
from matsciml_core.training.precision import choose_precision, precision_record

SPEC = EncoderSpec(
    name="mine",
    summary="For tests.",
    class_path="collections:OrderedDict",
    licence="MIT",
    capabilities=EncoderCapabilities(presets=("small", "large", "paper")),
    preset_training={"paper": PLAIN_TRAINING},
    bfloat16=("small",),
)


def config(used, preset="small"):
    return build_config(
        {
            "dataset": "mp",
            "encoder": {"name": "mine", "preset": preset},
            "training": {"device": "cpu", "precision": used},
        }
    )


@pytest.mark.parametrize(
    ("able", "preset", "used", "words"),
    [
        (True, None, "bfloat16", "has instructions"),
        (True, "small", "bfloat16", "has instructions"),
        (False, "small", "float32", "'cpu' has no instructions"),
        (True, "large", "float32", "not been measured"),
    ],
)
def test_device_and_encoder_must_both_be_able(monkeypatch, able, preset, used, words):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: able)
    chosen, reason = choose_precision(SPEC, preset, "cpu")
    assert chosen == used
    assert words in reason


@pytest.mark.parametrize(
    ("used", "preset", "words"),
    [
        ("float64", "small", "asked for"),
        ("bfloat16", "large", "asked for"),
        ("float32", "large", "not been measured"),
        ("float32", "paper", "as published"),
    ],
)
def test_the_reason_is_recorded(used, preset, words):
    record = precision_record(SPEC, config(used, preset))
    assert record["used"] == used
    assert words in record["reason"]


@pytest.mark.parametrize(
    ("text", "able"),
    [
        ("flags\t\t: fpu sse avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags\t\t: fpu sse avx2 avx512f\nmodel name\t: bf16\n", False),
        ("", False),
    ],
)
def test_instructions_of_the_processor(tmp_path, text, able):
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert has_bfloat16(file) is able
    assert not has_bfloat16(tmp_path / "absent")
