"""Small benchmarks that are planned and never run, and all the jobs of a plan."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import yaml

from promptreg.plan import Plan

ROOT = Path(__file__).resolve().parents[1]
SMALL = {"methods": ["identity", "promptreg"], "datasets": [{"name": "d"}], "shard_size": 2}


def manifest(folder, n_pairs, *, shared_fixed=False):
    """A table of pairs of pictures, each with two labels; returns its path."""
    rows = ["pair_id,moving,fixed,dimension,application,moving_labels"]
    for number in range(n_pairs):
        fixed = 0 if shared_fixed else number
        rows.append(f"p{number},m{number}.png,f{fixed}.png,2,group {number % 2},l{number}.png")
        for name in ("m", "f", "l"):
            file = folder / f"{name}{number}.png"
            if not file.exists():
                PIL.Image.new("L", (4, 4)).save(file)
    path = folder / "pairs.csv"
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def jobs(one):
    """All jobs of a plan by the path of what they make."""
    found = {}
    for dataset, listed in one.datasets.items():
        for shard in sorted({listed.image_shard(image.image) for image in listed.images}):
            found[f"images/{dataset}/{shard}"] = one.images_job(dataset, shard)
        for shard in listed.shards():
            found[f"pairs/{dataset}/{shard}"] = one.pairs_job(dataset, shard)
            for name in one.variants:
                search, marginal = one.search_of[name], one.marginal_of[name]
                for path in one.embeddings(search, dataset, shard):
                    encoder, _, image, view = path.removesuffix(".zarr").split("/")[-4:]
                    found[path] = one.embed_job(encoder, dataset, image, view)
                found[f"rois/{search}/{dataset}/{shard}"] = one.search_job(search, dataset, shard)
                found[f"correspondences/{marginal}/{dataset}/{shard}"] = one.marginalize_job(marginal)
                found[f"ddf/{name}/{dataset}/{shard}"] = one.fit_job(name)
            for method in one.config.methods:
                if method not in one.variants:
                    found[f"ddf/{method}/{dataset}/{shard}"] = one.baseline_job(method, dataset, shard)
                found[f"metrics/{method}/{dataset}/{shard}"] = one.evaluate_job(method, dataset)
        for pair in one.gallery[dataset]:
            found[f"gallery/{dataset}/{pair.pair}"] = one.gallery_job(dataset, pair.pair)
    for stage in ("tables", "report"):
        found[stage] = one.summary_job(stage)
    found["figures/time"] = one.summary_job("figures", figure="time")
    return found


def changed(before, after):
    """Stages whose jobs differ or are new, and the paths of all that are new or gone."""
    before, after = jobs(before), jobs(after)
    differing = {path for path in before.keys() & after.keys() if before[path] != after[path]}
    new, gone = after.keys() - before.keys(), before.keys() - after.keys()
    return {stage_of(path) for path in differing}, sorted(new), sorted(gone)


def stage_of(path):
    return path.removeprefix("results/").split("/")[0]


def stems(images):
    return [image.partition("-")[0] for image in images]


def shipped(name, **changes):
    """A plan of a shipped configuration over the demo's pictures."""
    raw = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
    return Plan({**raw, "datasets": [{"name": "demo", "reader": "demo", "dimension": 2}], **changes})


def stores(one, name):
    """Paths of the stores of a kind that a plan asks for."""
    return {path for path in jobs(one) if stage_of(path) == name}
