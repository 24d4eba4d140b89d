"""The shipped ablations: no row costs an embedding."""

import pytest
import yaml
from small_plans import ROOT, changed, shipped, stores


@pytest.mark.parametrize(
    ("name", "searches", "variants"),
    [("ablation_prompts", 2, 9), ("ablation_views", 1, 22), ("ablation_sigma", 7, 7)],
)
def test_a_grid_embeds_once_and_searches_only_where_the_search_differs(name, searches, variants):
    grid = shipped(name)
    first = next(iter(grid.variants))
    alone = shipped(name, methods=[first], ablations={})
    assert stores(grid, "embeddings") == stores(alone, "embeddings")
    assert len(stores(grid, "rois")) == searches
    assert len(stores(grid, "correspondences")) == len(grid.variants) == variants


def test_one_more_number_of_views_marginalizes_and_fits_and_does_nothing_else():
    before = shipped("ablation_views")
    variants = yaml.safe_load((ROOT / "config/ablation_views.yaml").read_text())["variants"]
    after = shipped(
        "ablation_views",
        methods=[*before.config.methods, "random_12"],
        variants={**variants, "random_12": {"marginalize": {"views": 12}}},
    )
    stages, new, gone = changed(before, after)
    assert stages == {"gallery", "tables", "report", "figures"}
    assert gone == []
    assert [path.removeprefix("results/") for path in new] == [
        f"{kind}/random_12/demo/000" for kind in ("correspondences", "ddf", "metrics")
    ]


def test_an_ablation_is_made_anew_when_its_rows_change_and_not_when_colours_do():
    before, after = shipped("ablation_sigma"), shipped("ablation_sigma", figures={"palette": "muted"})
    assert before.analysis_job("table3") == after.analysis_job("table3")
    assert before.analysis_job("table3") != shipped("ablation_sigma", seed=1).analysis_job("table3")
