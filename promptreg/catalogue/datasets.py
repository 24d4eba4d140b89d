"""The readers of data sets; a reader is one file and one row here. Data only."""

from promptreg.entry import Entry, table

DATASETS = table(
    Entry("manifest", "promptreg.datasets.manifest:Manifest", "a CSV of paths: anybody's pairs"),
    Entry(
        "demo",
        "promptreg.datasets.demo:Demo",
        "embedded real pixels and 3D phantoms with exact truth",
        licence="phantoms Apache-2.0; pictures as scikit-image ships them, each under terms of its own",
    ),
    Entry("cohort", "promptreg.datasets.cohort:Cohort", "computed abdomens of many subjects, 2D and 3D"),
    Entry(
        "promis",
        "promptreg.datasets.promis:Promis",
        "T2 prostate MR in the folders of the paper's group; not public",
        dims=(3,),
    ),
    Entry(
        "promise12",
        "promptreg.datasets.promise12:Promise12",
        "T2 prostate MR of several sites, pairs within a protocol",
        dims=(3,),
    ),
    Entry(
        "picai",
        "promptreg.datasets.picai:Picai",
        "T2 prostate MR of PI-CAI and PROSTATEx, glands or zones",
        dims=(3,),
    ),
    Entry(
        "chaos",
        "promptreg.datasets.chaos:Chaos",
        "abdominal MR, T1 in and out of phase and T2, DICOM with PNG of organs",
        dims=(3,),
    ),
    Entry(
        "chaos_nifti",
        "promptreg.datasets.chaos_nifti:ChaosNifti",
        "the T2 part of CHAOS repacked as NIfTI",
        dims=(3,),
    ),
    Entry(
        "lung2020",
        "promptreg.datasets.lung2020:Lung2020",
        "lung CT, inspiration and expiration, as Learn2Reg released it in 2020",
        dims=(3,),
    ),
    Entry(
        "learn2reg",
        "promptreg.datasets.learn2reg:Learn2Reg",
        "any task of Learn2Reg since 2021, by its JSON file",
        dims=(3,),
    ),
    Entry(
        "tma_patches",
        "promptreg.datasets.tma_patches:TmaPatches",
        "patches of tissue cores under known rigid motion",
        dims=(2,),
    ),
    Entry(
        "tma_cores",
        "promptreg.datasets.tma_cores:TmaCores",
        "whole tissue cores, second harmonic and bright field, aligned",
        dims=(2,),
    ),
    Entry(
        "zurich_patches",
        "promptreg.datasets.zurich_patches:ZurichPatches",
        "aerial patches under known rigid motion, regions from class maps",
        dims=(2,),
    ),
    Entry(
        "zurich",
        "promptreg.datasets.zurich:Zurich",
        "aerial crops, near infrared and colour, aligned, with class maps",
        dims=(2,),
    ),
)
