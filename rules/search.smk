rule search:
    input:
        pairs=f"{plan.root}/pairs/{{dataset}}/{{shard}}.zarr",
        images=lambda w: plan.shard_images(w.dataset, w.shard),
        embeddings=lambda w: plan.embeddings(w.search, w.dataset, w.shard),
        weights=lambda w: plan.search_weights(w.search, w.dataset),
    output:
        directory(f"{plan.root}/rois/{{search}}/{{dataset}}/{{shard}}.zarr"),
    log:
        f"{plan.root}/logs/search/{{search}}/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{plan.root}/benchmarks/search/{{search}}/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
        gpu=lambda w: gpus(plan, "search", w.search),
    params:
        job=lambda w: plan.search_job(w.search, w.dataset, w.shard),
    message:
        "Searching corresponding prompts ({wildcards.search}) in pairs {wildcards.shard} of {wildcards.dataset}"
    shell:
        "promptreg stage search --threads {threads} --job {params.job:q} --output {output:q} {input.pairs:q} {input.images:q} {input.embeddings:q} 2> {log:q}"
