"""The workflow parses its files again in every job, so what it imports must be light."""

import subprocess
import sys

import pytest

LIGHT = (
    *(
        "config",
        "registry",
        "provenance",
        "settings",
        "layout",
        "plan",
        "runguard",
        "jobs",
        "runrecord",
        "checkpoints",
        "cli",
    ),
    *("datasets.base", "datasets.manifest", "datasets.demo", "datasets.cohort"),
)
HEAVY = ("torch", "monai", "matplotlib", "scipy", "pandas", "SimpleITK", "nibabel", "xarray", "zarr")


def loaded_after(statement):
    """Top-level names of all modules that are loaded after a statement in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(found.stdout.split())


def test_what_the_workflow_imports_loads_no_torch_and_nothing_else_that_is_heavy():
    loaded = loaded_after("; ".join(f"import promptreg.{name}" for name in LIGHT))
    assert "promptreg" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("reader", ["demo", "manifest"])
def test_planning_reads_no_pixels_and_loads_no_torch(tmp_path, reader):
    table = tmp_path / "pairs.csv"
    table.write_text("pair_id,moving,fixed,dimension\na,m.png,f.png,2\n")
    config = {"datasets": [{"name": "d", "reader": reader}], "manifest": str(table)}
    loaded = loaded_after(
        f"from promptreg.plan import Plan\nplan = Plan({config!r})\n"
        "shard = plan.datasets['d'].shards()[0]\n"
        "plan.images_job('d', shard), plan.pairs_job('d', shard), plan.search_job('promptreg', 'd', shard)"
    )
    assert loaded.isdisjoint(HEAVY)


def test_the_public_names_are_imported_on_first_use():
    assert loaded_after("import promptreg").isdisjoint(HEAVY)
    assert "torch" in loaded_after("from promptreg import register")


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(ImportError, match="nothing"):
        from promptreg import nothing  # noqa: F401
