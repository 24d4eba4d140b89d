rule tables:
    input:
        f"{plan.root}/metrics.parquet",
        f"{plan.root}/timings.parquet",
        f"{plan.root}/pairs.csv",
        plan.published,
    output:
        csv=report(
            f"{plan.root}/tables/table1.csv",
            caption="../workflow/report/table1.rst",
            category="Tables",
        ),
        md=f"{plan.root}/tables/table1.md",
        tex=f"{plan.root}/tables/table1.tex",
        statistics_csv=report(
            f"{plan.root}/tables/statistics.csv",
            caption="../workflow/report/statistics.rst",
            category="Tables",
        ),
        statistics_md=f"{plan.root}/tables/statistics.md",
        statistics_tex=f"{plan.root}/tables/statistics.tex",
        ranking_csv=report(
            f"{plan.root}/tables/ranking.csv",
            caption="../workflow/report/ranking.rst",
            category="Tables",
        ),
        ranking_md=f"{plan.root}/tables/ranking.md",
        ranking_tex=f"{plan.root}/tables/ranking.tex",
        stability=f"{plan.root}/tables/rank_stability.csv",
        time_csv=f"{plan.root}/tables/time.csv",
        time_md=f"{plan.root}/tables/time.md",
        time_tex=f"{plan.root}/tables/time.tex",
        per_pair=f"{plan.root}/tables/per_pair.csv",
        published_csv=report(
            f"{plan.root}/tables/published.csv",
            caption="../workflow/report/published.rst",
            category="Tables",
        ),
        published_md=f"{plan.root}/tables/published.md",
        published_tex=f"{plan.root}/tables/published.tex",
    log:
        f"{plan.root}/logs/tables.log",
    benchmark:
        f"{plan.root}/benchmarks/tables.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        job=lambda w: plan.summary_job("tables"),
    message:
        "Writing all tables, and apart from them what others have published"
    shell:
        "promptreg stage tables --job {params.job:q} --output {output.csv:q} {input:q} 2> {log:q}"


rule costs:
    input:
        f"{plan.root}/timings.parquet",
    output:
        f"{plan.root}/tables/costs.csv",
    log:
        f"{plan.root}/logs/costs.log",
    benchmark:
        f"{plan.root}/benchmarks/costs.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        job=plan.costs_job(),
    message:
        "Summing what the jobs have cost"
    shell:
        "promptreg stage costs --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"


rule rulegraph:
    output:
        temp(f"{plan.root}/figures/rulegraph.dot"),
    log:
        f"{plan.root}/logs/rulegraph.log",
    benchmark:
        f"{plan.root}/benchmarks/rulegraph.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        config=json.dumps(config, sort_keys=True),
        snakefile=str(workflow.main_snakefile),
    message:
        "Asking Snakemake for the rule graph"
    shell:
        "promptreg rulegraph --snakefile {params.snakefile:q} --config {params.config:q}"
        " --output {output:q} 2> {log:q}"


rule figure:
    input:
        lambda w: plan.figure_input(w.figure),
    output:
        printed=expand(
            f"{plan.root}/figures/{{{{figure}}}}.{{fmt}}", fmt=plan.figure_formats[1:]
        ),
        shown=report(
            f"{plan.root}/figures/{{figure}}.{FORMAT}",
            caption="../workflow/report/{figure}.rst",
            category="Figures",
        ),
    log:
        f"{plan.root}/logs/figure/{{figure}}.log",
    benchmark:
        f"{plan.root}/benchmarks/figure/{{figure}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        job=lambda w: plan.summary_job("figures", figure=w.figure),
    message:
        "Drawing {wildcards.figure}"
    shell:
        "promptreg stage figures --job {params.job:q} --output {output.shown:q} {input:q} 2> {log:q}"


rule gallery:
    input:
        lambda w: plan.gallery_inputs(w.dataset, w.pair),
    output:
        report(
            directory(f"{plan.root}/figures/{{dataset}}/{{pair}}"),
            patterns=[f"{{picture}}.{FORMAT}"],
            caption="../workflow/report/gallery.rst",
            category="Pairs",
            subcategory="{dataset}",
            labels={"pair": "{pair}", "picture": "{picture}"},
        ),
    log:
        f"{plan.root}/logs/gallery/{{dataset}}/{{pair}}.log",
    benchmark:
        f"{plan.root}/benchmarks/gallery/{{dataset}}/{{pair}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        job=lambda w: plan.gallery_job(w.dataset, w.pair),
    message:
        "Drawing {wildcards.pair} of {wildcards.dataset}"
    shell:
        "promptreg stage gallery --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"


rule extremes:
    input:
        f"{plan.root}/metrics.parquet",
        lambda w: plan.extremes_inputs(w.dataset),
    output:
        report(
            directory(f"{plan.root}/extremes/{{dataset}}"),
            patterns=[f"{{picture}}.{FORMAT}"],
            caption="../workflow/report/extremes.rst",
            category="Worst, median and best",
            subcategory="{dataset}",
        ),
    log:
        f"{plan.root}/logs/extremes/{{dataset}}.log",
    benchmark:
        f"{plan.root}/benchmarks/extremes/{{dataset}}.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=lambda w: plan.extremes_job(w.dataset),
    message:
        "Drawing the worst, median and best pairs ({wildcards.dataset})"
    shell:
        "promptreg stage extremes --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"


rule report:
    input:
        f"{plan.root}/metrics.parquet",
        f"{plan.root}/timings.parquet",
        f"{plan.root}/pairs.csv",
        plan.published,
        f"{plan.root}/figures/distributions.{FORMAT}",
        f"{plan.root}/figures/ranks.{FORMAT}",
        f"{plan.root}/figures/stability.{FORMAT}",
        f"{plan.root}/figures/time.{FORMAT}",
        f"{plan.root}/figures/hours.{FORMAT}",
        expand(f"{plan.root}/figures/{{name}}.{FORMAT}", name=plan.analyses),
        lambda w: plan.gallery_files("{root}/figures/{dataset}/{pair}"),
        expand(f"{plan.root}/extremes/{{dataset}}", dataset=plan.datasets),
        f"{plan.root}/figures/rulegraph.{FORMAT}",
        lambda w: plan.analysis_inputs("calibration"),
    output:
        report(
            f"{plan.root}/report.html",
            caption="../workflow/report/report.rst",
            category="Report",
        ),
    log:
        f"{plan.root}/logs/report.log",
    benchmark:
        f"{plan.root}/benchmarks/report.tsv"
    conda:
        "../envs/promptreg.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        job=lambda w: plan.summary_job("report"),
    message:
        "Writing the report"
    shell:
        "promptreg stage report --job {params.job:q} --output {output:q} {input:q} 2> {log:q}"
