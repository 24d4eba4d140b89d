rule learn:
    input:
        lambda w: plan.learning_inputs(w.dataset),
    output:
        f"{plan.root}/learning/{{baseline}}/{{dataset}}/weights.safetensors",
    log:
        f"{plan.root}/logs/learn/{{baseline}}/{{dataset}}.log",
    benchmark:
        f"{plan.root}/benchmarks/learn/{{baseline}}/{{dataset}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(32000),
        runtime=growing(2880, most=10080),
        gpu=lambda w: gpus(plan, "learn"),
    params:
        job=lambda w: plan.learn_job(w.baseline, w.dataset),
    message:
        "Training {wildcards.baseline} on pairs of {wildcards.dataset}, without those of subjects in the test"
    shell:
        "promptreg stage learn --threads {threads} --job {params.job:q} --output {output:q} "
        "{input:q} 2> {log:q}"
