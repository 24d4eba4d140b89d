rule marginalize:
    input:
        lambda w: f"{plan.root}/rois/{plan.rois_of(w.marginal)}/{w.dataset}/{w.shard}.zarr",
    output:
        directory(
            f"{plan.root}/correspondences/{{marginal}}/{{dataset}}/{{shard}}.zarr"
        ),
    log:
        f"{plan.root}/logs/marginalize/{{marginal}}/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{plan.root}/benchmarks/marginalize/{{marginal}}/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=lambda w: plan.marginalize_job(w.marginal),
    message:
        "Marginalizing over views ({wildcards.marginal}) in pairs {wildcards.shard} of {wildcards.dataset}"
    shell:
        "promptreg stage marginalize --threads {threads} --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"
