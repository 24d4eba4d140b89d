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
include: "rules/analyses.smk"


rule all:
    default_target: True
    input:
        *(
            lambda w, one=one: checkpoints.fetch.get(source=one).output
            for one in plan.to_fetch
        ),
        lambda w: plan.targets(
            [checkpoints.fetch.get(source=one) for one in plan.to_fetch]
        ),


localrules:
    all,
