rule train:
    output:
        f"{plan.root}/training/{{model}}/{{dataset}}/weights.safetensors",
    log:
        f"{plan.root}/logs/train/{{model}}/{{dataset}}.log",
    benchmark:
        f"{plan.root}/benchmarks/train/{{model}}/{{dataset}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=32000,
        runtime=1440,
        gpu=1,
    params:
        job=lambda w: plan.train_job(w.model, w.dataset),
    message:
        "Training {wildcards.model} on labels of {wildcards.dataset}, without those of the subjects in the test"
    shell:
        "promptreg stage train --threads {threads} --job {params.job:q} --output {output:q} 2> {log:q}"
