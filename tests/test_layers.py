"""Imports point downward only; plug-ins know neither each other's family nor the workflow."""

import ast
from functools import cache
from pathlib import Path

import pytest

import promptreg

ROOT = Path(promptreg.__file__).parent
FAMILIES = ("models", "datasets", "baselines")
LAYERS = (
    (
        "types",
        "config",
        "entry",
        "catalogue",
        "registry",
        "provenance",
        "seeds",
        "atomic",
        "checkpoint_table",
        "tsv",
        "source_table",
        "unpack",
        "trust",
        "download",
        "zenodo",
        "file_list",
        "licences",
        "state_dicts",
        "checkpoints",
        "device",
        "labelmaps",
        "naming",
        "splits",
    ),
    (
        "geometry",
        "body",
        "settings",
        "models_page",
        "baselines_page",
        "datasets_page",
        "manual",
        "synth",
        "nets",
    ),
    ("niftiheader", "fileformats", "dicomseries", "pointfiles", "imageio", "models", "datasets"),
    (
        *("prompts", "views", "prealign", "prototype", "alignment", "starts", "affine_prior", "turned_prior"),
        *("objective", "newton", "compass", "inverse", "reach", "auxiliary", "search"),
        *(
            "automatic_masks",
            "marginalize",
            "calibration",
            "sanity",
            "consensus",
            "transfer",
            "selection",
            "correspond",
            "active",
        ),
        *("fit_bases", "fit_levels", "fit_losses", "fit_start", "parametrizations", "regrid", "mind"),
        *("shared_components", "image_terms", "fit_descent", "image_start", "ddf", "pipeline"),
    ),
    ("baselines",),
    (
        *(
            "store",
            "overlapped",
            "records",
            "metrics",
            "resampling",
            "units",
            "stats",
            "comparison",
            "ranking",
            "extremes",
            "consistency",
            "disclosure",
            "tables",
            "table_statistics",
            "table_formats",
            "published",
            "ablation",
            "robustness",
            "efficiency",
            "inverse_consistency",
            "consistency_table",
            "calibration_table",
            "paradigms",
            "costs",
        ),
        *("report", "report_page", "figures"),
    ),
    (
        *("data_folders", "data_check", "availability", "pair_choice", "split_tables", "data_splits"),
        *("stages", "training", "onepair", "shards"),
        *("stage_layout", "layout", "demand", "stage_plan", "plan", "rulegraph", "runguard"),
        *("jobs", "runrecord", "status", "estimate", "run_texts"),
    ),
    ("cli", "cli_weights", "cli_tools", "cli_data", "cli_runs", "cli_train"),
)
SCIENCE = LAYERS[3]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in ROOT.rglob("*.py")
    if file != ROOT / "__init__.py"
)


def top(module):
    return module.partition(".")[0]


@cache
def imports(module):
    """Full names of all that a module imports anywhere in its text."""
    place = ROOT.joinpath(*module.split("."))
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively; write the full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def own(module):
    """Names inside this package that a module imports, without "promptreg."."""
    return {name.removeprefix("promptreg.") for name in imports(module) if name.startswith("promptreg.")}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_a_layer_and_imports_only_its_own_and_lower_ones(module):
    assert top(module) in RANK, f"give {module} a place in LAYERS"
    upward = {name for name in own(module) if RANK[top(name)] > RANK[top(module)]}
    assert not upward, f"{module} imports {upward} from a layer above its own"


def test_every_name_in_the_layers_is_a_module():
    assert set(RANK) == {top(module) for module in MODULES}


@pytest.mark.parametrize("module", [one for one in MODULES if top(one) in FAMILIES])
def test_a_plug_in_imports_no_other_family_and_nothing_of_the_workflow(module):
    others = {name for name in own(module) if top(name) in FAMILIES and top(name) != top(module)}
    assert not {name for name in others if not f"{name}.".startswith("models.base.")}
    assert "snakemake" not in {top(name) for name in imports(module)}


@pytest.mark.parametrize("module", [one for one in MODULES if top(one) in SCIENCE])
def test_the_science_opens_no_file_and_knows_plug_ins_by_their_contract_alone(module):
    assert not {top(name) for name in own(module)} & {"registry", "atomic", "imageio", "checkpoints"}
    assert not {top(name) for name in imports(module)} & {"os", "pathlib", "logging", "matplotlib", "xarray"}
    plugged = {name for name in own(module) if top(name) in FAMILIES}
    assert {name.rpartition(".")[0] for name in plugged} <= {"models.base"}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_in_the_package_imports_snakemake(module):
    assert "snakemake" not in {top(name) for name in imports(module)}


def test_all_modules_of_geometry_are_used_through_the_package_alone():
    for module in MODULES:
        if top(module) != "geometry":
            inner = {name for name in own(module) if name.startswith("geometry.") and name.count(".") > 1}
            assert not inner, f"{module} imports {inner}; take it from promptreg.geometry"
