from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/embed.smk"
include: "rules/search.smk"
include: "rules/marginalize.smk"
include: "rules/fit.smk"
include: "rules/learn.smk"
include: "rules/baselines.smk"
include: "rules/evaluate.smk"
include: "rules/figures.smk"
include: "rules/ablations.smk"


rule all:
    default_target: True
    input:
        f"{plan.root}/metrics.parquet",
        f"{plan.root}/timings.parquet",
        f"{plan.root}/tables/table1.csv",
        f"{plan.root}/figures/distributions.{FORMAT}",
        f"{plan.root}/figures/time.{FORMAT}",
        plan.gallery_files("{root}/figures/{dataset}/{pair}"),
        expand(f"{plan.root}/tables/{{name}}.csv", name=plan.config.ablations),
        expand(f"{plan.root}/figures/{{name}}.{FORMAT}", name=plan.config.ablations),
        f"{plan.root}/report.html",


localrules:
    all,
