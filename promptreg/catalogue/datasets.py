"""The readers of data sets; a reader is one file and one row here. Data only."""

from promptreg.entry import Entry, table

DATASETS = table(
    Entry("manifest", "promptreg.datasets.manifest:Manifest", "a CSV of paths: anybody's pairs"),
    Entry("demo", "promptreg.datasets.demo:Demo", "embedded real pixels and 3D phantoms with exact truth"),
)
