"""The manual of published data sets, docs/datasets.md: written text around tables of what is registered."""

from __future__ import annotations

from collections.abc import Mapping

from promptreg.entry import Entry
from promptreg.models_page import markdown_table
from promptreg.source_table import Archive, Source

PAGE = """\
# Published data sets

Generated from `promptreg/catalogue/datasets.py`, `config/sources.tsv` and `config/archives.tsv` by
`promptreg config`; the text is in `promptreg/datasets_page.py`. No host of these data was reachable
while this was written: layouts, sizes, hashes and licences are those that public code and public
citations state, and the record itself decides. What was checked on real files stands at the end.

{sources}

Licence in bold: to be accepted before anything is downloaded, because it forbids commercial use, access
is granted one by one, or it is not known here ("unstated": read the record's page).

## How they get there

    promptreg data list                     # what there is, what is here, what is to do
    promptreg data fetch lung2020           # download, check, unpack, check the layout
    promptreg data describe lung2020        # subjects, images, pairs, labels, landmarks, spacings
    promptreg data verify all               # files, sizes, hashes, layout; names what is missing

Data lie in a folder of their name below one root: `--root`, else `$PROMPTREG_DATA`, else `data`; in a
configuration `data_dir`. A data set of a configuration that names no `path` is read from there. Where
it is absent the workflow fetches it first (rule `fetch`, on the machine where Snakemake runs), or stops
and says for each what to do; with `absent_data: leave_out` the others run, and the report names what
was left out.

**By hand and offline.** What needs a login, a form or a browser is put as an archive into
`ROOT/archives/NAME/`; `promptreg data fetch NAME` checks and unpacks it as if it had come by itself. So
does an archive that was carried to a machine without network. A folder that you unpacked yourself is as
good: put it under its name, or name it by `path`.

**Whole or not at all.** A broken download is gone on with, never joined to another version of the file.
Archives are unpacked into a folder beside the place, refused if a name leads out of it, if they hold
links, or if they unpack to two hundred times their size, and get their name once the reader finds its
layout in them. What was unpacked is recorded with sizes and hashes (`.promptreg-files.tsv`); a folder
of your own is recorded by the first `verify`. An archive whose hash nobody publishes is trusted on
first use: its hash is kept beside it. Archives are kept; delete them when they are no longer wanted.

**Licences** are accepted by `promptreg data fetch NAME --accept-licence` (remembered), by
`PROMPTREG_ACCEPT_LICENCES=NAME,NAME`, or by `accept_licences: [NAME]` in the configuration. The report
lists the licence and citation of every data set that it used.

Files by data set; a name with `*` is looked up in the record, with its size and md5:

{archives}

## What to know of each

{layouts}

- `promis`: T2-weighted prostate MR of a trial at 11 centres, 576 men, in the folder form of the paper's
  group: 200x200x96, 0.5x0.5x1 mm, gland as float32 0/1. A scan without a mask is paired without labels.
- `promise12`: 50 labelled cases of four sites, with and without an endorectal coil; no file says which.
  Cases of one matrix and voxel size are taken for one protocol, and pairs stay within it. Archives are
  read at any depth, in one part or three.
- `picai`: 1500 studies of 1476 patients, PROSTATEx among them under other numbers. Glands and zones (1
  peripheral, 2 transition) are made by models of the organizers, of several the first by name is read.
  Grids are oblique.
- `chaos`: Slices and PNG of organs are matched by number, then ordered by where slices lie: names are
  not padded, and run against the axis in some series. Labels are ranges of grey (63, 126, 189, 252),
  not ranks, for organs are missing in some subjects. One set of PNG serves both phases of T1; T1 and T2
  are not aligned. Headers of different subjects share no frame: use the pre-alignment. Slices are 5 to
  9 mm thick.
- `lung2020`: Learn2Reg 2020 task 2: 192x192x208, 1.75x1.25x1.75 mm, LPS. Expiration is cut at top and
  bottom. Keypoints came later: i, j, k of expiration, then of inspiration, without a header.
- `learn2reg`: Tasks since 2021, each by its JSON file. The repack of the lungs flips axes 0 and 1 of
  the first release and keeps bare spacing in its headers; masks are voxel-identical then. Some JSON
  files name tables of points with the ending .nii.gz, and list the validation among the training:
  places are made from the names of images, and a pair of the validation is no pair of the training.
  Pairs of the test are listed only where something can be measured.
- `tma_patches`: 134 cores, 834x834 pixels, two modalities, four levels of motion (to 5, 10, 15, 20
  degrees and 20, 40, 60, 80 pixels). A is second harmonic, B bright field.
- `tma_cores`: Full cores, about 2050 pixels; the training part ends in _MI and _WB, the test part in
  _SHG and _BF.
- `zurich_patches`: 864 pairs of 300x300 pixels a modality from 20 images in three folds, four levels
  (to 5, 10, 15, 20 degrees and 7, 14, 21, 28 pixels). A is near infrared; B has its colours stored blue
  first. Patches are dark: eight bits were scaled over all images.
- `zurich`: 20 crops in four bands of 16 bits. No file states the order of the bands: near infrared is
  the one that is brightest over vegetation in the first class map that has some.

## Pairs

| data set | pairs | truth |
| --- | --- | --- |
| `promis`, `promise12`, `picai`, `chaos` | between subjects, onto each of the first 20 | labels |
| `promis`, `picai` | later studies onto the first of a patient | labels |
| `chaos` | T1 in phase onto T2 of a subject | labels |
| `lung2020`, `learn2reg_lungct` | inspiration onto expiration of a subject | two lungs; landmarks |
| other tasks of Learn2Reg | those of the JSON file, or between training subjects | labels, landmarks |
| `tma_patches`, `zurich_patches` | T onto R of a patch, R being the reference | regions, lattice of points |
| `tma_cores`, `zurich` | one modality onto the other, aligned: set `misalign` | lattice of points, classes |

Keys of a data set in a configuration choose among them: `groups` (as `promptreg data describe` names
them), `dimension`, `limit`; `application` is what all its pairs are called in tables.

**The standard reference.** With `reference: true` every subject is moved once, onto the first subject
that the reader lists: by number or name, which nobody chose by its image. Subjects who are never paired
with it (another protocol of PROMISE12) have the first of their own. Where only the test is compared the
reference is the first subject of the test, and pairs to train on are all kept.

**Split.** By subject, 80 % to 20 %, never by image or patch: all patches of one aerial image are one
subject, so are all scans of a patient. A subject's part is drawn from its own name and the seed, so
that subjects who come later move nobody; the test then holds its share but for chance. For an exact
share name a table: `split: config/splits/chaos.tsv`. `promptreg data split --config my.yaml` makes it,
and adds whoever is new; it never moves anybody, and a table that would is refused. Tables of CHAOS,
Learn2Reg's lungs, PROMISE12 and Zurich Summer are shipped (16/4, 16/4, 40/10, 16/4, a tenth of the
former deciding when training stops): drawn from the names of the published subjects with seed 0.

**Scope.** `train: {{test_only: true}}` runs every method on the pairs both of whose subjects are in the
test, as trained ones are. Without it methods that need no training run on all pairs: so the paper runs
its ablations (`config/prostate.yaml`). On empty files under the names of the whole releases (576 men, 134
cores) `config/benchmark.yaml` compares 30 methods on 388 pairs in about 1,700 jobs, and planning them
takes nine seconds of one core.

## Pairs without labels: exact regions

Nobody has labelled the patches, and the paper does not say where the regions of its two-dimensional
columns are from. Each T is R's own scene under a rigid motion that `info_test.csv` states, so any
region drawn on R is known on T exactly. Here:

1. Regions on R are connected areas of one class of the class map (aerial), or of one brightness after
   smoothing (tissue: the quarter that is darkest in bright field, brightest in second harmonic). No
   model draws them, so that none is measured by its own masks.
2. On T they are what the stated motion makes of them, each pixel of T taking the nearest of R.
3. Regions that T does not see whole are left out on both; there are twelve at most, large ones.
4. Points are a lattice of 6 x 6 on R, less what T does not see, carried by the same motion.

Dice and centroid errors of these columns are ours; they say nothing of anatomy.

## Choices that the paper leaves open

- MR-Abdomen: CHAOS has labels for its 20 training subjects alone, three sequences each;
  `config/benchmark.yaml` takes T2-SPIR, which the group shows elsewhere. Four subjects of the test make
  three pairs onto a reference: without `reference` there are six.
- 2D-Pathology and 2D-Aerial: the records that the paper cites hold aligned images of two modalities;
  files that the group shows are of a third record, R and T of one modality. The benchmark takes bright
  field and colour at all four levels. "Acquired at varying time" does not hold for them: T is computed.
- CT-Lung: the data give one mask of both lungs, whose centroid hardly sees how one lung moves; it is
  cut into right and left, and landmarks are measured beside it.
- Landmarks of `lung2020` are automatic; manual ones are public for three pairs, in `learn2reg_lungct`.

## What was checked on real files

| reader | real files | not checked |
| --- | --- | --- |
| `chaos_nifti` | six volumes with labels | |
| `chaos` | | DICOM and PNG: on files that tests write, with the known defects |
| `picai` | two scans with glands and zones, oblique | the other 1498 |
| `lung2020` | masks and points of four cases; the archive of keypoints | scans |
| `tma_patches` | two pairs at level 4; the motion recovered from the images, not read | `info_test.csv` |
| `zurich_patches` | three pairs in colour, two in near infrared; likewise | `info_test.csv`, class maps |
| `promis`, `promise12`, `learn2reg` | | all: on files that tests write in that layout |
| `tma_cores`, `zurich` | | likewise |

## Add a data set

One file and one row: a class with `pairs`, `image`, `labels`, `landmarks`, `label_names` and `stamp`
(`promptreg/datasets/base.py` states the contract, `promptreg/datasets/folder.py` is a start), an
`Entry` in `promptreg/catalogue/datasets.py`, a writer of its layout in `tests/published_layouts.py`,
and a line in `config/sources.tsv` that says where it comes from, with its files in
`config/archives.tsv`. Then `pytest tests/contract/test_datasets.py`.
"""

_TITLES = ("data set", "reader", "what", "record", "licence", "cite")
_FILES = ("data set", "file", "MB", "sha256", "from")


def datasets_page(readers: Mapping[str, Entry], known: Mapping[str, Source]) -> str:
    """Return the page, Markdown, of the published data sets and their readers."""
    used = dict.fromkeys(one.reader for one in known.values())
    layouts = ((f"`{name}`", readers[name].load().layout) for name in used)
    files = (_archive_cells(one, file) for one in known.values() for file in one.archives)
    return PAGE.format(
        sources=markdown_table(_TITLES, (_cells(one, readers[one.reader]) for one in known.values())),
        archives=markdown_table(_FILES, files),
        layouts=markdown_table(("reader", "reads"), layouts),
    )


def _cells(source: Source, reader: Entry) -> tuple[str, ...]:
    record = f"<{source.record}> {source.version}".rstrip() if source.record else source.obtain
    licence = f"**{source.licence}** ({source.accept})" if source.accept else source.licence
    return f"`{source.name}`", f"`{source.reader}`", reader.summary, record, licence, source.citation


def _archive_cells(source: Source, file: Archive) -> tuple[str, ...]:
    return (
        f"`{source.name}`",
        f"`{file.file}`",
        "unknown" if file.n_bytes is None else f"{file.n_bytes / 1e6:.0f}",
        f"`{file.sha256[:12]}`" if file.sha256 else "none published",
        f"<{file.url}>" if file.url else source.obtain,
    )
