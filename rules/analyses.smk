wildcard_constraints:
    analysis="|".join(plan.analyses) or "none",


rule calibrate:
    input:
        f"{plan.root}/ddf/{{variant}}/{{dataset}}/{{shard}}.zarr",
        f"{plan.root}/pairs/{{dataset}}/{{shard}}.zarr",
        lambda w: f"{plan.root}/correspondences/{plan.marginal_of[w.variant]}/{w.dataset}/{w.shard}.zarr",
    output:
        f"{plan.root}/calibration/{{variant}}/{{dataset}}/{{shard}}.parquet",
    log:
        f"{plan.root}/logs/calibrate/{{variant}}/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{plan.root}/benchmarks/calibrate/{{variant}}/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=lambda w: plan.calibrate_job(w.variant, w.dataset),
    message:
        "Setting uncertainty against error ({wildcards.variant}) in pairs {wildcards.shard} of {wildcards.dataset}"
    shell:
        "promptreg stage calibrate --threads {threads} --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"


rule analysis:
    input:
        f"{plan.root}/metrics.parquet",
        f"{plan.root}/timings.parquet",
        f"{plan.root}/pairs.csv",
        plan.published,
        lambda w: plan.analysis_inputs(w.analysis),
    output:
        csv=report(
            f"{plan.root}/tables/{{analysis}}.csv",
            caption="../workflow/report/analysis.rst",
            category="Analyses",
        ),
        md=f"{plan.root}/tables/{{analysis}}.md",
        tex=f"{plan.root}/tables/{{analysis}}.tex",
    log:
        f"{plan.root}/logs/analysis/{{analysis}}.log",
    benchmark:
        f"{plan.root}/benchmarks/analysis/{{analysis}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        job=lambda w: plan.analysis_job(w.analysis),
    message:
        "Writing the table {wildcards.analysis}"
    shell:
        "promptreg stage analysis --job {params.job:q} --output {output.csv:q} {input:q} 2> {log:q}"


rule analysis_figure:
    input:
        f"{plan.root}/tables/{{analysis}}.csv",
    output:
        printed=expand(
            f"{plan.root}/figures/{{{{analysis}}}}.{{fmt}}",
            fmt=plan.figure_formats[1:],
        ),
        shown=report(
            f"{plan.root}/figures/{{analysis}}.{FORMAT}",
            caption="../workflow/report/analysis.rst",
            category="Analyses",
        ),
    log:
        f"{plan.root}/logs/analysis_figure/{{analysis}}.log",
    benchmark:
        f"{plan.root}/benchmarks/analysis_figure/{{analysis}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        job=lambda w: plan.summary_job("figures", figure=plan.analyses[w.analysis]),
    message:
        "Drawing {wildcards.analysis}"
    shell:
        "promptreg stage figures --job {params.job:q} --output {output.shown:q} {input:q} 2> {log:q}"
