"""What one should know about the data before trusting a number. Imports no torch."""

from __future__ import annotations

EXTENT = (
    "to fetch: release 2022-10-28 with about 154,700 materials, 5 to 20 minutes; later releases "
    "hold up to 280,000"
)
SPLITS = {
    "stratified": "Of mini: 80/10/10 within each crystal system; a file with its hash.",
    "random": "80/10/10 of the crystals, by the seed.",
    "paper-sizes": "Of a release, its default: 70/20/10 within six families of point groups, "
    "rounded as published, by the seed; triclinic and trigonal crystals are one family, as they "
    "were there.",
    "composition": "Of a release: 80/10/10 of the compositions, so that polymorphs do not leak.",
}
KNOWN_PROBLEMS = (
    "mini knows the gaps of insulators only, whereas in a release metals have the gap zero, and an "
    "unknown gap is missing.",
    "Stability, energies above the hull and formation energies belong to a release: each has "
    "another hull, and since 2022 the functionals are mixed with r2SCAN.",
    "Total energies of a release are not offered as labels: those of PBE, PBE+U and r2SCAN are "
    "mixed, whose zeros are tens of eV per atom apart.",
    "Fermi energies refer to the average potential in the cell, another zero for each crystal, so "
    "they can be learnt only loosely.",
    "Crystals from GNoME come under a licence that forbids commercial use; they are left out and "
    "counted unless 'matsciml data fetch mp --set include_gnome=true' takes them along.",
    "Withdrawn materials, and crystals with one site, are left out and counted, as in the "
    "published benchmark; '--set include_deprecated=true' and '--set min_sites=1' take them along.",
    "The published split was made without a seed: its lists of ids have to be imported, and the "
    "ids that a release no longer has are reported.",
    "The toolkit that published it filled missing labels with zero; here they stay missing.",
    "How the bucket is laid out changes without notice: it is found by listing, and what cannot be "
    "read is said in one sentence.",
)
