"""A report of two policies in words: for a terminal, and for a pull request."""

from collections.abc import Iterator, Mapping

from kept.flows.replay.report import Pair, Report

_HEAD = ("", "recorded", "tried", "change")


def to_text(report: Report) -> str:
    """Return a report as plain text."""
    return "\n".join([*_lines(report), ""])


def to_markdown(report: Report) -> str:
    """Return what matters of a report as a short piece of Markdown."""
    lines = [
        (
            f"**{report.tried_version}** instead of {report.recorded_version}, "
            f"{report.since} to {report.until}: {report.customers} customers, "
            f"{report.signals} signals."
        ),
        "",
        "| | recorded | tried | change |",
        "|---|---:|---:|---:|",
    ]
    for name, pair in _main_figures(report):
        lines.append(f"| {name} | {pair.recorded} | {pair.tried} | {_change(pair)} |")
    if report.worse_off:
        lines += ["", "Worse off: " + _named(report.worse_off) + " (customers)."]
    if any(report.violations.values()):
        lines += ["", "**Guarantees broken in the recount:** " + _named(report.violations) + "."]
    if report.unknown:
        lines += ["", "Cannot be known from this log:"]
        lines += [f"* {one.what}: {one.count} (touches {one.touches})" for one in report.unknown]
    return "\n".join(lines) + "\n"


def _main_figures(report: Report) -> Iterator[tuple[str, Pair]]:
    yield "contacts", report.contacts
    yield "contacts a customer and week", report.pressure.mean
    yield "of a hundred customer-weeks, 95 have at most", report.pressure.p95
    yield "most contacts in one customer's week", report.pressure.most
    yield f"cost of contacts ({report.currency})", _major(report.cost_minor)
    yield f"expected of promotions ({report.currency})", _major(report.expected_minor)
    hardship = [cohort.hardship for cohort in report.cohorts.values()]
    yield (
        "customers who met a hard step",
        Pair(
            recorded=sum(one.recorded for one in hardship), tried=sum(one.tried for one in hardship)
        ),
    )


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.tried_version} instead of {report.recorded_version}"
    yield (
        f"{report.since} to {report.until}: {report.customers} customers, {report.signals} signals, "
        f"read for {report.purpose} of {report.entity}; {report.left_out} customers are left out, "
        "for the purpose has no basis"
    )
    yield (
        f"The recorded policy, played again, made {report.reproduced} of "
        f"{report.decisions.recorded} recorded decisions alike."
    )
    for one in report.differences[:3]:
        yield (
            f"  decision {one['decision_id']} {one['kind']}: {one['what']} "
            f"(recorded {one['recorded'] or '-'}, played again {one['replayed'] or '-'})"
        )
    yield ""
    yield from _table("", dict(_main_figures(report)))
    yield f"{report.spared} contact(s) spared, {report.added} added"
    yield from _crossings(report)
    for title, pairs in (
        ("contacts by cohort", report.by_cohort),
        ("contacts by purpose", report.by_purpose),
        ("contacts by channel", report.by_channel),
        ("contacts by action", report.by_action),
    ):
        yield from _table(title, pairs)
    yield from _cohorts(report)
    yield from _people(report)
    yield ""
    broken = _named(report.violations)
    held = not any(report.violations.values())
    yield (
        "Counted again, consent, caps and quiet hours hold at every contact."
        if held
        else f"Counted again, contacts break: {broken}"
    )
    yield ""
    yield "Cannot be known from this log:" if report.unknown else "Nothing is left unknown."
    for unknown in report.unknown:
        yield f"  {unknown.count:>7}  {unknown.what}; touches {unknown.touches}"


def _crossings(report: Report) -> Iterator[str]:
    rows = {f"{one.cohort}, {one.purpose}, {one.channel}": one for one in report.crossed}
    if not rows:
        return
    yield "\ncontacts sent and spared, by cohort, purpose and channel"
    width = max(map(len, rows))
    yield f"  {'':<{width}} {'recorded':>11} {'tried':>11} {'spared':>9} {'added':>9}"
    for name, one in rows.items():
        yield (
            f"  {name:<{width}} {one.sent.recorded:>11} {one.sent.tried:>11} "
            f"{one.spared:>9} {one.added:>9}"
        )


def _cohorts(report: Report) -> Iterator[str]:
    cohorts = report.cohorts
    for title, pairs in (
        (
            "contacts a customer and week, by cohort",
            {k: c.pressure.mean for k, c in cohorts.items()},
        ),
        ("silence (%), by cohort", {k: c.silence_percent for k, c in cohorts.items()}),
        ("days of grace, by cohort", {k: c.grace_days for k, c in cohorts.items()}),
        ("customers who met a hard step, by cohort", {k: c.hardship for k, c in cohorts.items()}),
        (
            "measures that went ahead, by cohort",
            {
                f"{name}, {measure}": pair
                for name, cohort in cohorts.items()
                for measure, pair in cohort.fees.items()
            },
        ),
    ):
        yield from _table(title, pairs)


def _people(report: Report) -> Iterator[str]:
    if not report.worse_off:
        yield "\nNobody is worse off."
        return
    yield "\nworse off (customers)"
    for worse, count in report.worse_off.items():
        by_cohort = _named(report.worse_off_by_cohort.get(worse, {}))
        yield f"  {worse}: {count} ({by_cohort})"
        for example in report.examples:
            if example["worse"] == worse:
                yield (
                    f"    customer {example['customer']}, {example['cohort']}: {example['what']}"
                )


def _table(title: str, pairs: Mapping[str, Pair]) -> Iterator[str]:
    if not pairs:
        return
    if title:
        yield f"\n{title}"
    width = max(len(name) for name in pairs)
    yield f"  {_HEAD[0]:<{width}} {_HEAD[1]:>11} {_HEAD[2]:>11} {_HEAD[3]:>9}"
    for name, pair in pairs.items():
        yield f"  {name:<{width}} {pair.recorded:>11} {pair.tried:>11} {_change(pair):>9}"


def _change(pair: Pair) -> str:
    change = round(pair.change, 3)
    if not change:
        return "="
    if not pair.recorded:
        return f"{change:+g}"
    return f"{100 * change / pair.recorded:+.1f} %"


def _major(pair: Pair) -> Pair:
    return Pair(recorded=round(pair.recorded / 100, 2), tried=round(pair.tried / 100, 2))


def _named(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "none"
