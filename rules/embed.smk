rule embed:
    input:
        images=f"{plan.root}/images/{{dataset}}/{{shard}}.zarr",
        weights=lambda w: plan.encoder_weights(w.encoder, w.dataset),
    output:
        directory(
            f"{plan.root}/embeddings/{{encoder}}/{{dataset}}/{{shard}}/{{views}}.zarr"
        ),
    log:
        f"{plan.root}/logs/embed/{{encoder}}/{{dataset}}/{{shard}}/{{views}}.log",
    benchmark:
        f"{plan.root}/benchmarks/embed/{{encoder}}/{{dataset}}/{{shard}}/{{views}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=growing(120),
        gpu=lambda w: gpus(plan, "embed", w.encoder),
    params:
        job=lambda w: plan.embed_job(w.encoder, w.dataset, w.shard, w.views),
    message:
        "Embedding {wildcards.views} views of images {wildcards.shard} of {wildcards.dataset} with {wildcards.encoder}"
    shell:
        "promptreg stage embed --threads {threads} --job {params.job:q} --output {output:q} {input.images:q} 2> {log:q}"
