from __future__ import annotations

from graphlib import CycleError

import pytest

from promptreg.figures import encode, rule_graph
from promptreg.figures.rulegraph import layered_layout, longest_paths, parse_dot
from promptreg.rulegraph import write_rulegraph

DOT = """digraph snakemake_dag {
    graph[bgcolor=white, margin=0];
    node[shape=box, style=rounded];
	0[label = "all", color = "0.00 0.6 0.85", style="rounded"];
	1[label = "fit\\nshard: 000", color = "0.1 0.6 0.85", style="rounded"];
	2[label = "images", color = "0.2 0.6 0.85", style="rounded"];
	1 -> 0
	2 -> 1
	2 -> 0
	2 -> 0
}
"""


def test_nodes_edges_and_the_first_line_of_labels_are_read():
    names, edges = parse_dot(DOT)
    assert names == {"0": "all", "1": "fit", "2": "images"}
    assert edges == [("1", "0"), ("2", "0"), ("2", "1")]


def test_text_without_a_node_is_an_error_that_shows_it():
    with pytest.raises(ValueError, match="found 'Building DAG"):
        parse_dot("Building DAG of jobs...")


def test_columns_are_the_longest_way_from_a_source():
    assert longest_paths(["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("a", "c")]) == {
        "a": 0,
        "b": 1,
        "c": 2,
        "d": 0,
    }


def test_a_source_stands_just_before_the_first_node_that_needs_it():
    edges = [("a", "b"), ("b", "c"), ("late", "c")]
    assert longest_paths(["a", "b", "c", "late"], edges)["late"] == 1


def test_a_cycle_is_an_error():
    with pytest.raises(CycleError):
        longest_paths(["a", "b"], [("a", "b"), ("b", "a")])


def test_the_sweeps_untangle_crossed_edges():
    column = {"a": 0, "b": 0, "c": 1, "d": 1}
    places = layered_layout(column, [("a", "d"), ("b", "c")])
    assert (places["a"][1] < places["b"][1]) == (places["d"][1] < places["c"][1])


def test_nodes_of_a_column_never_share_a_place():
    column = {str(i): i % 3 for i in range(9)}
    edges = [("0", "1"), ("3", "1"), ("6", "1"), ("1", "2"), ("1", "5"), ("1", "8")]
    places = layered_layout(column, edges)
    assert len(set(places.values())) == 9


def test_every_rule_is_drawn_once():
    figure = rule_graph(DOT)
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["all", "fit", "images"]
    assert len(figure.axes[0].patches) == 3
    assert encode(figure, "svg") == encode(rule_graph(DOT), "svg")


SNAKEFILE = """
print("a word before the graph")

rule all:
    input: config["target"]

rule make:
    output: "a.txt"
    shell: "touch {output}"
"""


@pytest.fixture
def snakefile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path / "Snakefile"


def test_the_graph_of_a_run_is_that_of_snakemake_under_its_configuration(snakefile, tmp_path):
    write_rulegraph(snakefile, '{"target": "a.txt"}', tmp_path / "out" / "rules.dot")
    text = (tmp_path / "out" / "rules.dot").read_text()
    assert text.startswith("digraph")
    names, edges = parse_dot(text)
    assert sorted(names.values()) == ["all", "make"]
    assert [(names[start], names[end]) for start, end in edges] == [("make", "all")]
    assert not (tmp_path / "a.txt").exists()


def test_a_run_that_cannot_be_planned_is_an_error_and_leaves_no_graph(snakefile, tmp_path):
    with pytest.raises(RuntimeError, match="Snakefile: Snakemake drew no rule graph"):
        write_rulegraph(snakefile, '{"target": "nobody_makes_it.txt"}', tmp_path / "rules.dot")
    assert not (tmp_path / "rules.dot").exists()
