"""What `promptreg status` and `promptreg plan` print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tabulate import tabulate

from promptreg.costs import by_rule
from promptreg.estimate import Forecast
from promptreg.jobs import MADE
from promptreg.status import Found, Progress, State, Status, Unregistered

STATES: tuple[State, ...] = ("done", "running", "failed", "stopped", "missing")
_RIGHT = ("left", *["right"] * 9)


def status_text(found: Status, most: int) -> str:
    """Say all that is known; of long lists the first `most` lines."""
    parts = [
        _headline(found),
        _stages(found),
        *_list("Jobs without an end", [_job_line(one) for one in found.found if one.reason], most),
        *_list("Stores that are damaged", list(found.damaged), most),
        *_list("Without a result", [_reason_line(one) for one in found.without], most),
    ]
    return "\n\n".join(parts)


def plan_text(rules: Sequence[Forecast], source: Path | None) -> str:
    """Say what the jobs of each rule will take, and how that was estimated."""
    rows = [
        [
            one.rule,
            one.jobs,
            one.to_do,
            *_amounts(one.n_bytes, one.cpu_hours, one.gpu_hours, one),
            one.measured,
        ]
        for one in rules
    ]
    rows.append(
        [
            "all",
            sum(one.jobs for one in rules),
            sum(one.to_do for one in rules),
            *_sums(rules),
            "",
        ]
    )
    titles = ["rule", "jobs", "to do", "GB", "CPU h", "GPU h", "after the same"]
    table = tabulate(rows, titles, disable_numparse=True, colalign=[*_RIGHT[:6], "left"])
    return f"{table}\n\n{_how(rules, source)}"


def duration(seconds: float) -> str:
    """A length of time in words, to two digits or so."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _headline(found: Status) -> str:
    counts = Counter(one.state for one in found.found)
    said = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    where = (
        f"a run is alive on {found.record.host}, process {found.record.pid}"
        if found.alive
        else "no run is alive"
    )
    lines = [
        f"{found.root}: {len(found.found)} jobs, {said} ({found.progress.share:.0%})",
        f"Last started {found.record.started} in {found.record.folder}; {where}.",
    ]
    return "\n".join([*lines, *_left(found.progress, found.alive)])


def _left(progress: Progress, alive: bool) -> Iterator[str]:
    """A sentence on the work left, if any is known."""
    total = sum(progress.left_seconds.values())
    more = f", and {progress.unknown} jobs of rules that have not finished one" if progress.unknown else ""
    if total:
        pace = (
            f", {duration(total / progress.at_once)} at {progress.at_once:.1f} jobs at once" if alive else ""
        )
        yield f"About {duration(total)} of work left{pace}{more}."


def _stages(found: Status) -> str:
    states: dict[str, Counter[State]] = {}
    for one in found.found:
        states.setdefault(one.job.rule, Counter())[one.state] += 1
    costs = {one.rule: one for one in by_rule(found.costs)}
    rows = []
    for rule in (one for one in MADE if one in states):
        spent, left = costs.get(rule), found.progress.left_seconds.get(rule)
        hours = [f"{spent.cpu_hours:.2f}", f"{spent.gpu_hours:.2f}"] if spent else ["", ""]
        memory = f"{spent.memory_mb / 1024:.1f}" if spent else ""
        numbers = [str(states[rule][state] or "") for state in STATES]
        rows.append([rule, *numbers, *hours, memory, duration(left) if left else ""])
    total = by_rule_total(found)
    rows.append(["all", *(["", "", "", "", ""]), *total, ""])
    titles = ["stage", *STATES, "CPU h", "GPU h", "peak GB", "work left"]
    return tabulate(rows, titles, disable_numparse=True, colalign=_RIGHT)


def by_rule_total(found: Status) -> list[str]:
    """CPU hours, GPU hours and the largest memory in GB of all finished jobs."""
    costs = by_rule(found.costs)
    return [
        f"{sum(one.cpu_hours for one in costs):.2f}",
        f"{sum(one.gpu_hours for one in costs):.2f}",
        f"{max((one.memory_mb for one in costs), default=0.0) / 1024:.1f}",
    ]


def _list(title: str, lines: list[str], most: int) -> Iterator[str]:
    if lines:
        more = [f"  and {len(lines) - most} more"] if len(lines) > most else []
        yield "\n".join([f"{title}:", *(f"  {line}" for line in lines[:most]), *more])


def _job_line(one: Found) -> str:
    return f"{one.state} {one.job.rule} {one.job.name}: {one.reason} ({one.log})"


def _reason_line(one: Unregistered) -> str:
    names = sorted(one.names)
    few = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    methods = f"; methods: {', '.join(sorted(one.methods))}" if one.methods else ""
    reason = " ".join(one.reason.split())
    return f"{one.status} in {one.stage}, {len(names)} ({few}): {reason}{methods}"


def _amounts(n_bytes: float, cpu_hours: float, gpu_hours: float, of: Forecast | None = None) -> list[str]:
    if of is not None and (not of.measured or not of.to_do):
        return ["?" if of.to_do else ""] * 3
    return [f"{n_bytes / 1e9:.3f}", f"{cpu_hours:.2f}", f"{gpu_hours:.2f}"]


def _sums(rules: Sequence[Forecast]) -> list[str]:
    """Amounts of all rules that were measured; unknown, not nothing, where none was."""
    if any(one.to_do for one in rules) and not any(one.measured for one in rules):
        return ["?"] * 3
    return _amounts(
        *(sum(getattr(one, key) for one in rules) for key in ("n_bytes", "cpu_hours", "gpu_hours"))
    )


def _how(rules: Sequence[Forecast], source: Path | None) -> str:
    if source is None:
        return (
            "Nothing has been measured: run a part first, such as `limit: 10` in `datasets` with a "
            "results_dir of its own, and name its results by --like."
        )
    lines = [
        f"Estimated from the finished jobs in {source}: "
        "mean CPU and GPU seconds and bytes an item (a pair, an "
        "image, a view of an image) of the same rule and method or data set, else of the same rule.",
        "To do are jobs whose output is absent; which others are out of date, `snakemake --dry-run` says.",
    ]
    if unknown := [one.rule for one in rules if one.to_do and not one.measured]:
        lines.append(f"Not in the sums, since never measured: {', '.join(unknown)}.")
    return "\n".join(lines)
