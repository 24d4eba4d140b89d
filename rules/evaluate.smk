rule evaluate:
    input:
        lambda w: plan.evaluate_inputs(w.method, w.dataset, w.shard),
    output:
        f"{plan.root}/metrics/{{method}}/{{dataset}}/{{shard}}.parquet",
    log:
        f"{plan.root}/logs/evaluate/{{method}}/{{dataset}}/{{shard}}.log",
    benchmark:
        f"{plan.root}/benchmarks/evaluate/{{method}}/{{dataset}}/{{shard}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=lambda w: plan.evaluate_job(w.method, w.dataset),
    message:
        "Measuring {wildcards.method} on pairs {wildcards.shard} of {wildcards.dataset}"
    shell:
        "promptreg stage evaluate --threads {threads} --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"


rule inverse:
    input:
        lambda w: plan.inverse_inputs(w.method, w.dataset),
    output:
        f"{plan.root}/metrics/{{method}}/{{dataset}}/inverse.parquet",
    log:
        f"{plan.root}/logs/inverse/{{method}}/{{dataset}}.log",
    benchmark:
        f"{plan.root}/benchmarks/inverse/{{method}}/{{dataset}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=lambda w: plan.inverse_job(w.method, w.dataset),
    message:
        "Comparing fields of both ways ({wildcards.method}, {wildcards.dataset})"
    shell:
        "promptreg stage inverse --threads {threads} --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"


rule gather:
    input:
        lambda w: plan.measures,
    output:
        metrics=f"{plan.root}/metrics.parquet",
        timings=f"{plan.root}/timings.parquet",
    log:
        f"{plan.root}/logs/gather.log",
    benchmark:
        f"{plan.root}/benchmarks/gather.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        methods=plan.config.methods,
    message:
        "Joining the measures of all methods"
    shell:
        "promptreg gather --metrics {output.metrics:q} --timings {output.timings:q} {input:q} 2> {log:q}"


rule listing:
    input:
        lambda w: plan.pair_stores,
    output:
        f"{plan.root}/pairs.csv",
    log:
        f"{plan.root}/logs/listing.log",
    benchmark:
        f"{plan.root}/benchmarks/listing.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        job=plan.listing_job(),
    message:
        "Listing all pairs"
    shell:
        "promptreg stage listing --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"
