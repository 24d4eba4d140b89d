"""What a change makes anew, and what it leaves."""

import PIL.Image
import pytest
from small_plans import changed, jobs, manifest

from promptreg import stage_plan


def test_sigma_changes_the_search_and_no_embedding(planned):
    stages, new, gone = changed(planned(), planned(sigma=0.05))
    assert stages == {"rois", "tables", "report", "figures"}
    assert (new, gone) == ([], [])


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"fit": {"weight": 0.2}}, {"ddf"}),
        ({"marginalize": {"average": "median"}}, {"correspondences"}),
        ({"embed": {"dtype": "float32"}}, {"embeddings"}),
        ({"baselines": {"threads": 2}}, {"ddf"}),
        ({"evaluate": {"nsd_tolerance": 3.0}}, {"metrics"}),
        ({"prealign": "none"}, {"pairs"}),
        ({"seed": 1}, {"images", "pairs", "embeddings", "rois"}),
    ],
)
def test_a_knob_changes_the_jobs_of_its_own_stage_alone(planned, changes, stages):
    found, new, gone = changed(planned(), planned(**changes))
    assert found == stages | {"tables", "report", "figures"}
    assert (new, gone) == ([], [])


def test_counting_operations_changes_what_computes_and_nothing_else(planned):
    stages, new, gone = changed(planned(), planned(count_flops=True))
    assert stages == {"embeddings", "rois", "ddf", "tables", "report", "figures"}
    assert (new, gone) == ([], [])


def test_a_knob_of_the_fit_changes_no_baseline(planned):
    before, after = planned(), planned(fit={"weight": 0.2})
    assert before.baseline_job("identity", "demo", "000") == after.baseline_job("identity", "demo", "000")
    assert before.fit_job("promptreg") != after.fit_job("promptreg")


def test_the_style_of_figures_changes_figures_report_and_gallery_alone(planned):
    stages, new, gone = changed(planned(), planned(figures={"palette": "deep"}))
    assert stages == {"figures", "report", "gallery"}
    assert (new, gone) == ([], [])


def test_the_results_folder_moves_everything_and_changes_no_result(planned):
    here, there = planned(), planned(results_dir="elsewhere")
    assert here.search_job("promptreg", "d", "000") == there.search_job("promptreg", "d", "000")
    assert here.summary_job("tables") == there.summary_job("tables")
    assert all(path.startswith("elsewhere/") for path in there.embeddings("promptreg", "d", "000"))


def test_an_appended_pair_leaves_full_shards_as_they_are(tmp_path, planned):
    before = jobs(planned())
    manifest(tmp_path, 6)
    after = jobs(planned())
    full = {path for path in before if path.startswith(("images", "pairs", "rois")) and "/d/00" in path}
    kept = {path for path in full if not path.endswith("/002")} | {
        path for path in before if path.startswith("results/embeddings") and "/d/004/" not in path
    }
    assert {path for path in kept if before[path] != after[path]} == set()
    assert before["pairs/d/002"] != after["pairs/d/002"]
    assert "images/d/005" in after


def test_a_touched_image_changes_the_job_that_reads_it_and_no_other(tmp_path, planned):
    before = jobs(planned())
    PIL.Image.new("L", (5, 5)).save(tmp_path / "m3.png")
    after = jobs(planned())
    assert [path for path in before if before[path] != after[path]] == ["images/d/003"]


def test_a_touched_label_map_changes_the_job_that_reads_it_and_no_other(tmp_path, planned):
    before = jobs(planned())
    PIL.Image.new("L", (5, 5)).save(tmp_path / "l3.png")
    after = jobs(planned())
    assert [path for path in before if before[path] != after[path]] == ["pairs/d/001"]


def test_the_code_of_a_reader_and_of_a_model_counts_where_they_run(planned, monkeypatch):
    asked = {}

    def record(*modules):
        asked[modules[0]] = modules[1:]
        return "0" * 16

    monkeypatch.setattr(stage_plan, "code_digest", record)
    jobs(planned())
    assert asked["promptreg.stages.images"] == ("promptreg.datasets.manifest",)
    assert asked["promptreg.stages.pairs"] == ("promptreg.datasets.manifest",)
    assert asked["promptreg.stages.embed"] == ("promptreg.models.blend",)
    assert asked["promptreg.stages.search"] == ("promptreg.models.blend",)
    assert asked["promptreg.stages.baseline"] == ("promptreg.baselines.identity",)
    assert asked["promptreg.stages.fit"] == ()
