wildcard_constraints:
    ablation="|".join(plan.config.ablations) or "none",


rule ablation:
    input:
        f"{plan.root}/metrics.parquet",
        f"{plan.root}/pairs.csv",
        plan.published,
    output:
        csv=report(
            f"{plan.root}/tables/{{ablation}}.csv",
            caption="../workflow/report/ablation.rst",
            category="Ablations",
        ),
        md=f"{plan.root}/tables/{{ablation}}.md",
        tex=f"{plan.root}/tables/{{ablation}}.tex",
    log:
        f"{plan.root}/logs/ablation/{{ablation}}.log",
    benchmark:
        f"{plan.root}/benchmarks/ablation/{{ablation}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        job=lambda w: plan.ablation_job(w.ablation),
    message:
        "Writing the ablation {wildcards.ablation}"
    shell:
        "promptreg stage ablation --job {params.job:q} --output {output.csv:q} {input:q} 2> {log:q}"


rule ablation_figure:
    input:
        f"{plan.root}/tables/{{ablation}}.csv",
    output:
        printed=expand(
            f"{plan.root}/figures/{{{{ablation}}}}.{{fmt}}",
            fmt=plan.figure_formats[1:],
        ),
        shown=report(
            f"{plan.root}/figures/{{ablation}}.{FORMAT}",
            caption="../workflow/report/ablation.rst",
            category="Ablations",
        ),
    log:
        f"{plan.root}/logs/ablation_figure/{{ablation}}.log",
    benchmark:
        f"{plan.root}/benchmarks/ablation_figure/{{ablation}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        job=lambda w: plan.summary_job("figures", figure="ablation"),
    message:
        "Drawing the ablation {wildcards.ablation}"
    shell:
        "promptreg stage figures --job {params.job:q} --output {output.shown:q} {input:q} 2> {log:q}"
