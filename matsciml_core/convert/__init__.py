"""Crystals and batches as objects of other packages, and back; each package is imported lazily."""

from matsciml_core.convert.ase import from_ase, to_ase
from matsciml_core.convert.dgl import from_dgl, to_dgl
from matsciml_core.convert.lattice import cell_from_parameters
from matsciml_core.convert.packages import import_package
from matsciml_core.convert.pyg import from_pyg, to_pyg
from matsciml_core.convert.pymatgen import from_pymatgen, to_pymatgen

__all__ = [
    "cell_from_parameters",
    "from_ase",
    "from_dgl",
    "from_pyg",
    "from_pymatgen",
    "import_package",
    "to_ase",
    "to_dgl",
    "to_pyg",
    "to_pymatgen",
]
