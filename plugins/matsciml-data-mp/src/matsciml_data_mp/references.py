"""Where the data comes from and what to cite. Imports no torch."""

from __future__ import annotations

from matsciml_core import Reference

SOURCE = "Materials Project (https://materialsproject.org)"
RELEASE = "tables distributed with matminer 0.3.2 (2018)"
LICENCE = "CC-BY-4.0"

REFERENCES: tuple[Reference, ...] = (
    Reference(
        key="jain2013commentary",
        authors="Jain, Anubhav and Ong, Shyue Ping and Hautier, Geoffroy and Chen, Wei and "
        "Richards, William Davidson and Dacek, Stephen and Cholia, Shreyas and Gunter, Dan and "
        "Skinner, David and Ceder, Gerbrand and Persson, Kristin A.",
        title="Commentary: The Materials Project: A materials genome approach to accelerating "
        "materials innovation",
        venue="APL Materials 1, 011002",
        year=2013,
        doi="10.1063/1.4812323",
    ),
    Reference(
        key="faber2015crystal",
        authors="Faber, Felix and Lindmaa, Alexander and von Lilienfeld, O. Anatole and "
        "Armiento, Rickard",
        title="Crystal structure representations for machine learning models of formation energies",
        venue="International Journal of Quantum Chemistry 115, 1094-1101",
        year=2015,
        doi="10.1002/qua.24917",
    ),
    Reference(
        key="petousis2016benchmarking",
        authors="Petousis, Ioannis and Chen, Wei and Hautier, Geoffroy and Graf, Tanja and "
        "Schladt, Thomas D. and Persson, Kristin A. and Prinz, Fritz B.",
        title="Benchmarking density functional perturbation theory to enable high-throughput "
        "screening of materials for dielectric constant and refractive index",
        venue="Physical Review B 93, 115151",
        year=2016,
        doi="10.1103/PhysRevB.93.115151",
    ),
    Reference(
        key="petousis2017screening",
        authors="Petousis, Ioannis and Mrdjenovich, David and Ballouz, Eric and Liu, Miao and "
        "Winston, Donald and Chen, Wei and Graf, Tanja and Schladt, Thomas D. and "
        "Persson, Kristin A. and Prinz, Fritz B.",
        title="High-throughput screening of inorganic compounds for the discovery of novel "
        "dielectric and optical materials",
        venue="Scientific Data 4, 160134",
        year=2017,
        doi="10.1038/sdata.2016.134",
    ),
    Reference(
        key="dejong2015elastic",
        authors="de Jong, Maarten and Chen, Wei and Angsten, Thomas and Jain, Anubhav and "
        "Notestine, Randy and Gamst, Anthony and Sluiter, Marcel and Krishna Ande, Chaitanya and "
        "van der Zwaag, Sybrand and Plata, Jose J. and Toher, Cormac and Curtarolo, Stefano and "
        "Ceder, Gerbrand and Persson, Kristin A. and Asta, Mark",
        title="Charting the complete elastic properties of inorganic crystalline compounds",
        venue="Scientific Data 2, 150009",
        year=2015,
        doi="10.1038/sdata.2015.9",
    ),
    Reference(
        key="dejong2015piezoelectric",
        authors="de Jong, Maarten and Chen, Wei and Geerlings, Henry and Asta, Mark and "
        "Persson, Kristin Aslaug",
        title="A database to enable discovery and design of piezoelectric materials",
        venue="Scientific Data 2, 150053",
        year=2015,
        doi="10.1038/sdata.2015.53",
    ),
    Reference(
        key="ward2018matminer",
        authors="Ward, Logan and Dunn, Alexander and Faghaninia, Alireza and "
        "Zimmermann, Nils E. R. and Bajaj, Saurabh and Wang, Qi and Montoya, Joseph and "
        "Chen, Jiming and Bystrom, Kyle and Dylla, Maxwell and Chard, Kyle and Asta, Mark and "
        "Persson, Kristin A. and Snyder, G. Jeffrey and Foster, Ian and Jain, Anubhav",
        title="Matminer: An open source toolkit for materials data mining",
        venue="Computational Materials Science 152, 60-69",
        year=2018,
        doi="10.1016/j.commatsci.2018.05.018",
    ),
)
