rule fit:
    input:
        lambda w: plan.fit_inputs(w.variant, w.dataset, w.shard),
    output:
        directory(f"{plan.root}/ddf/{{variant}}/{{dataset}}/{{shard}}.zarr"),
    log:
        f"{plan.root}/logs/fit/{{variant}}/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{plan.root}/benchmarks/fit/{{variant}}/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
        gpu=lambda w: gpus(plan, "fit", w.variant),
    params:
        job=lambda w: plan.fit_job(w.variant),
    message:
        "Fitting fields ({wildcards.variant}) to pairs {wildcards.shard} of {wildcards.dataset}"
    shell:
        "promptreg stage fit --threads {threads} --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"
