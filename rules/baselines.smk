rule register:
    input:
        f"{plan.root}/pairs/{{dataset}}/{{shard}}.zarr",
        lambda w: plan.shard_images(w.dataset, w.shard),
    output:
        directory(f"{plan.root}/ddf/{{baseline}}/{{dataset}}/{{shard}}.zarr"),
    log:
        f"{plan.root}/logs/register/{{baseline}}/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{plan.root}/benchmarks/register/{{baseline}}/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: plan.config.baselines.threads
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        job=lambda w: plan.baseline_job(w.baseline),
    message:
        "Registering pairs {wildcards.shard} of {wildcards.dataset} with {wildcards.baseline}"
    shell:
        "promptreg stage baseline --threads {threads} --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"
