localrules:
    environment,


rule environment:
    output:
        f"{plan.root}/environments/{{environment}}.txt",
    log:
        f"{plan.root}/logs/environment/{{environment}}.log",
    benchmark:
        f"{plan.root}/benchmarks/environment/{{environment}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    message:
        "Installing the environment {wildcards.environment}"
    shell:
        "promptreg tools install {wildcards.environment} --record {output:q} 2> {log:q}"


rule register:
    input:
        environment=lambda w: plan.environment(w.baseline),
        learned=lambda w: plan.learned(w.baseline, w.dataset),
        pairs=f"{plan.root}/pairs/{{dataset}}/{{shard}}.zarr",
        images=lambda w: plan.shard_images(w.dataset, w.shard),
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
        mem_mb=growing(8000),
        runtime=growing(240),
        gpu=lambda w: gpus(plan, "register", w.baseline),
    params:
        job=lambda w: plan.baseline_job(w.baseline, w.dataset, w.shard),
    message:
        "Registering pairs {wildcards.shard} of {wildcards.dataset} with {wildcards.baseline}"
    shell:
        "promptreg stage baseline --threads {threads} --job {params.job:q} --output {output:q} "
        "{input.pairs:q} {input.images:q} 2> {log:q}"
