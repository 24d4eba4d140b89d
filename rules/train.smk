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
        mem_mb=growing(32000),
        runtime=growing(1440),
        gpu=lambda w: gpus(plan, "train"),
    params:
        job=lambda w: plan.train_job(w.model, w.dataset),
    message:
        "Training {wildcards.model} on labels of {wildcards.dataset}, without those of the subjects in the test"
    shell:
        "promptreg stage train --threads {threads} --job {params.job:q} --output {output:q} 2> {log:q}"
