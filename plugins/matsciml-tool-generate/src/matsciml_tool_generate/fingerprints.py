"""Structure and composition fingerprints, computed by matminer and cached on disk."""

from __future__ import annotations

import hashlib
import os
import warnings
from functools import cache
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import lmdb
import numpy as np

from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.folders import data_folder
from matsciml_tool_generate.coverage import STRUCTURE_WIDTH, Fingerprint
from matsciml_tool_generate.site_fingerprints import SiteFingerprint

_CACHE_SIZE = 1 << 32
"""Largest size of the cache, bytes: 2.7 million fingerprints; the file grows as it fills."""


def fingerprint(crystal: Crystal) -> Fingerprint:
    """Return the fingerprints of a crystal.

    Of the structure: the mean over atoms of matminer's ``CrystalNNFingerprint`` with the preset
    ``ops``, which weighs order parameters of the coordination shells that pymatgen's CrystalNN
    finds. Of the composition: matminer's ``ElementProperty`` with the preset ``magpie``. It takes
    0.1 to 1 s, and minutes where atoms lie on top of each other.

    Args:
        crystal: The crystal.

    Raises:
        DataError: The fingerprint of this crystal cannot be computed.

    References:
        Xie et al., ICLR (2022), section 5.2, "Coverage", and appendix;
        doi:10.48550/arXiv.2110.06197.
        Zimmermann, Jain, RSC Advances 10, 6063 (2020), doi:10.1039/C9RA07755C (structure).
        Ward et al., npj Comput. Mater. 2, 16028 (2016), doi:10.1038/npjcompumats.2016.28
        (composition).
    """
    from pymatgen.core.structure import Structure  # noqa: PLC0415 - heavy

    sites, composition = featurizers()
    # Rounding errors of fractional coordinates are removed: where an atom lies at 1/2 exactly,
    # faces of Voronoi cells vanish or not by the last digit, and with them neighbours.
    coordinates = crystal.fractional.round(12)
    structure = Structure(crystal.cell, crystal.atomic_numbers.tolist(), coordinates)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # oxidation states, which do not matter here
            rows = [sites.featurize(structure, site) for site in range(len(structure))]
            elements = composition.featurize(structure.composition)
    except TimeoutError:
        raise
    except Exception as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"Crystal '{crystal.id}' has no fingerprint: {cause.removesuffix('.')}."
        ) from error
    mean = np.mean(np.array(rows, dtype=np.float64), axis=0)
    if not np.isfinite(mean).all():
        raise DataError(f"Crystal '{crystal.id}' has a fingerprint that is not finite.")
    return Fingerprint(structure=mean, composition=np.array(elements, dtype=np.float64))


@cache
def featurizers() -> tuple[Any, Any]:
    """Import matminer and return its two featurizers, which takes seconds the first time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages it uses, and that missing values are imputed
        from matminer.featurizers.composition.composite import ElementProperty  # noqa: PLC0415
        from matminer.featurizers.site.fingerprint import CrystalNNFingerprint  # noqa: PLC0415

        return (
            SiteFingerprint(CrystalNNFingerprint.from_preset("ops")),
            ElementProperty.from_preset("magpie"),
        )


class FingerprintCache:
    """Fingerprints on disk, by the content of the crystal; several processes may use it.

    A fingerprint that another version of matminer or pymatgen computed is computed again, because
    CrystalNN changes between releases.

    Args:
        folder: Folder of the cache; None: in the data folder.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        """Open the cache, which is made where it does not exist."""
        path = data_folder() / "cache" / "fingerprints" if folder is None else Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        self._environment = lmdb.open(str(path), map_size=_CACHE_SIZE, max_readers=512)
        self._versions = versions().encode()

    def __enter__(self) -> Self:
        """Return the cache itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the cache."""
        self._environment.close()

    def get(self, crystal: Crystal) -> Fingerprint | None:
        """Return the fingerprint of a crystal; None where the cache has none."""
        with self._environment.begin() as transaction:
            value = transaction.get(self._key(crystal))
        if value is None:
            return None
        numbers = np.frombuffer(value, dtype="<f8").astype(np.float64)
        return Fingerprint(
            structure=numbers[:STRUCTURE_WIDTH], composition=numbers[STRUCTURE_WIDTH:]
        )

    def put(self, crystal: Crystal, value: Fingerprint) -> None:
        """Store a fingerprint; on a full disk it is lost, and nothing else."""
        numbers = np.concatenate([value.structure, value.composition]).astype("<f8")
        try:
            with self._environment.begin(write=True) as transaction:
                transaction.put(self._key(crystal), numbers.tobytes())
        except lmdb.Error:
            return

    def _key(self, crystal: Crystal) -> bytes:
        digest = hashlib.sha256(self._versions)
        # Explicit byte orders and widths: the same crystal has the same key on every machine.
        digest.update(crystal.atomic_numbers.astype("<u1").tobytes())
        digest.update(crystal.cell.astype("<f8").tobytes())
        digest.update(crystal.positions.astype("<f8").tobytes())
        return digest.digest()


def versions() -> str:
    """Return the versions of the packages that compute fingerprints."""
    installed = []
    # Releases of pymatgen since 2026 take the search for neighbours from pymatgen-core.
    for name in ("matminer", "pymatgen", "pymatgen-core"):
        try:
            installed.append(f"{name}={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ",".join(installed)
