"""MatSciML readers of what pymatgen reads: CIF, POSCAR and its own JSON."""

__version__ = "0.1.0"
