localrules:
    fetch,


checkpoint fetch:
    output:
        f"{plan.root}/data/{{source}}.txt",
    log:
        f"{plan.root}/logs/fetch/{{source}}.log",
    benchmark:
        f"{plan.root}/benchmarks/fetch/{{source}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(600),
    params:
        root=plan.data_root,
    message:
        "Fetching the data set {wildcards.source}"
    shell:
        "promptreg data fetch {wildcards.source} --root {params.root:q} --record {output:q} 2> {log:q}"


rule images:
    output:
        directory(f"{plan.root}/images/{{dataset}}/{{shard}}.zarr"),
    log:
        f"{plan.root}/logs/images/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{plan.root}/benchmarks/images/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=lambda w: plan.images_job(w.dataset, w.shard),
    message:
        "Reading images {wildcards.shard} of {wildcards.dataset}"
    shell:
        "promptreg stage images --threads {threads} --job {params.job:q} --output {output:q} 2> {log:q}"


rule pairs:
    input:
        lambda w: plan.shard_images(w.dataset, w.shard),
    output:
        directory(f"{plan.root}/pairs/{{dataset}}/{{shard}}.zarr"),
    log:
        f"{plan.root}/logs/pairs/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{plan.root}/benchmarks/pairs/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=lambda w: plan.pairs_job(w.dataset, w.shard),
    message:
        "Checking and pre-aligning pairs {wildcards.shard} of {wildcards.dataset}"
    shell:
        "promptreg stage pairs --threads {threads} --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"
