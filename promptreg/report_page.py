"""The page of the report, as a Jinja template with its own style."""

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ report.title }}</title>
<style>
:root { --ink: #1c1c1c; --soft: #666; --line: #d8d8d8; --accent: #0173b2; --warn: #fff4e0; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.5rem 4rem; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .6rem; padding-top: .8rem; border-top: 2px solid var(--accent); }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
nav a { margin-right: 1rem; }
a { color: var(--accent); }
.wide { overflow-x: auto; }
.wide tr > :first-child { position: sticky; left: 0; background: #fff; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { font-weight: 600; }
td { min-width: 4.5rem; }
td.short { white-space: nowrap; }
td.foreign { color: var(--soft); }
thead tr:last-child th { border-bottom: 1.5px solid var(--ink); }
th[colspan] { text-align: center; }
tr > :first-child, .text td, .text th { text-align: left; }
tbody tr:hover { background: #f5f8fa; }
caption { caption-side: bottom; text-align: left; color: var(--soft); padding-top: .5rem; }
.wide caption > span { display: inline-block; position: sticky; left: 0;
  max-width: min(66rem, calc(100vw - 3rem)); }
figure { margin: 1rem 0 2rem; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption, .note { color: var(--soft); font-size: .9rem; }
.foreign table, .foreign tr > :first-child { color: var(--soft); background: #fafafa; }
.warning { background: var(--warn); padding: .5rem .9rem; border-left: 4px solid #de8f05; margin: .4rem 0; }
pre { background: #f6f6f6; padding: .9rem; overflow-x: auto; font-size: .8rem; line-height: 1.4; }
.run { margin-top: 3rem; padding: .8rem 1rem; border: 1px dashed var(--soft); color: var(--soft); }
.run h2 { border: 0; margin: 0; padding: 0; font-size: 1rem; }
@media print { @page { size: landscape; margin: 1cm; } body { max-width: none; padding: 0; font-size: 12px; }
  h2, h3 { break-after: avoid; } figure, tr { break-inside: avoid; } figure img { max-height: 16cm; }
  .wide { overflow: visible; } .wide table { font-size: .62rem; } th, td { padding: .15rem .3rem; }
  td { min-width: 0; } .wide tr > :first-child { position: static; } }
</style>
</head>
<body>
<h1>{{ report.title }}</h1>
<p>{{ report.summary }}</p>
<nav><a href="#tables">Tables</a><a href="#problems">Failures and warnings</a>\
<a href="#contamination">Seen in training</a>\
<a href="#figures">Figures</a>\
{% if tables | selectattr("0.foreign") | list %}<a href="#published">As published elsewhere</a>{% endif %}\
<a href="#settings">Settings and versions</a></nav>

<h2 id="tables">Tables</h2>
{% for one, html in tables if not one.foreign %}
<h3>{{ one.title }}</h3>
<p class="note">{{ one.caption }}</p>
{% if one.folded %}<details><summary>show</summary>{% endif %}

<div class="wide">
{{ html }}
</div>
{% if one.folded %}</details>{% endif %}

{% else %}
<p>No table was made.</p>
{% endfor %}

<h2 id="problems">Failures and warnings</h2>
{% for name, reason in report.left_out.items() %}
<p class="warning">The data set <strong>{{ name }}</strong> was left out: {{ reason }}.</p>
{% endfor %}
{% for one in warnings %}
<p class="warning"><strong>{{ one.entry }}</strong>, {{ one.dataset }} {{ one.group }} {{ one.label }}: \
{{ one.warning }}.</p>
{% else %}
<p>Dice and centroid TRE agree in every row.</p>
{% endfor %}
{% if problems %}
<div class="wide">
<table class="text">
<thead><tr><th>data set</th><th>method</th><th>status</th><th>reason</th><th>pairs</th></tr></thead>
<tbody>
{% for one in problems %}
<tr><td>{{ one.dataset }}</td><td>{{ one.entry }}</td><td>{{ one.status }}</td><td>{{ one.reason }}</td>\
<td>{% if one.n_pairs > 3 %}<details><summary>{{ one.n_pairs }}</summary>{{ one.pairs }}</details>\
{% else %}{{ one.pairs }}{% endif %}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% else %}
<p>Every pair was registered by every method, and every structure was measured.</p>
{% endif %}

<h2 id="contamination">Seen in training</h2>
{% for one in report.contamination %}
<p class="warning">{{ one }}; marked † in the table.</p>
{% else %}
<p>No method is known to have been trained on these data; data without a stated source cannot be checked.</p>
{% endfor %}

<h2 id="figures">Figures</h2>
{% for figure in report.figures %}
{% if figure.folded %}<details><summary>{{ figure.title }}</summary>{% endif %}

<figure>
{% if not figure.folded %}<h3>{{ figure.title }}</h3>{% endif %}

{% if figure.fmt == "pdf" %}
<object data="{{ figure.uri }}" type="application/pdf" width="100%" height="500"></object>
{% else %}
<img src="{{ figure.uri }}" alt="{{ figure.title }}">
{% endif %}
<figcaption>{{ figure.caption }}</figcaption>
</figure>
{% if figure.folded %}</details>{% endif %}

{% else %}
<p>No figure was made.</p>
{% endfor %}

{% for one, html in tables if one.foreign %}
{% if loop.first %}<h2 id="published">As published elsewhere</h2>{% endif %}

<h3>{{ one.title }}</h3>
<p class="note">{{ one.caption }}</p>
<div class="wide foreign">
{{ html }}
</div>
{% endfor %}

<h2 id="settings">Settings and versions</h2>
<pre>{{ report.settings }}</pre>
{% for title, values in facts if values %}
<h3>{{ title }}</h3>
<table class="text">
<tbody>
{% for name, value in values.items() %}
<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}
</tbody>
</table>
{% endfor %}

{% if report.run %}
<section class="run">
<h2>This run</h2>
<p>What follows differs from run to run; all above is the same for equal inputs.</p>
<table class="text">
<tbody>
{% for name, value in report.run.items() %}
<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}
</tbody>
</table>
</section>
{% endif %}
</body>
</html>
"""
