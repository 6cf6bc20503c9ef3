"""Stores are written in the format that every release of LMDB reads."""

from __future__ import annotations

import os
import subprocess
import sys

import lmdb
import pytest

WRITE = """
import sys
from matsciml_core.data.store.crystal_store import CrystalStoreWriter
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.testing.crystals import sodium_chloride

with CrystalStoreWriter(sys.argv[1], (), Provenance(source="test")) as writer:
    writer.add(sodium_chloride())
"""


@pytest.mark.skipif(int(lmdb.__version__.split(".")[0]) < 3, reason="it has one format only")
def test_the_format_is_that_of_every_release_whatever_the_environment_says(tmp_path):
    environment = {**os.environ, "LMDB_DEFAULT_LIB_VERSION": "1"}
    command = [sys.executable, "-c", WRITE, str(tmp_path / "store")]
    subprocess.run(command, check=True, env=environment)
    (shard,) = (tmp_path / "store").glob("*.lmdb")
    head = shard.read_bytes()[:64]
    # LMDB's magic number, and behind it the version of its format.
    start = head.index(bytes.fromhex("dec0efbe"))
    assert head[start + 4 : start + 8] == (1).to_bytes(4, "little")
