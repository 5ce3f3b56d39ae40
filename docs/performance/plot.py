#!/usr/bin/env python3
"""Draws the figures of docs/PERFORMANCE.md. It needs no packages.

    cargo bench --bench budgets | docs/performance/plot.py    # takes new figures from the benchmark, and draws them
    docs/performance/plot.py                                  # draws the figures in budgets.tsv

The figures are shares: what the gate costs, divided by what the bare verification of a signature costs in the same run.
They are kept in budgets.tsv, and written into the table in docs/PERFORMANCE.md.
"""

import re
import sys
from fractions import Fraction
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIGURES = HERE / "budgets.tsv"
PAGE = HERE.parent / "PERFORMANCE.md"
BEGIN, END = "<!-- figures of docs/performance/budgets.tsv -->\n", "<!-- end -->\n"

# What the benchmark prints for each figure, on two lines.
PRINTED = re.compile(
    r"^(?P<request>a cached token with a new proof|a cached token|no token|a new \w+ token)(?: of (?P<bytes>\d+) bytes)?: [\d.]+ µs\n"
    r"(?:  one AES-GMAC.*\n)?"
    r"  (?P<signature>\w+), bare: [\d.]+ µs, so (?P<share>[\d./]+) of that \(at most (?P<budget>[\d./]+)\)$",
    re.MULTILINE,
)


def main():
    figures = read() if sys.stdin.isatty() else taken(sys.stdin.read()) or read()
    lines = ["\t".join(figure) for figure in figures]
    FIGURES.write_text("\n".join(["request\tsignature\tshare\tbudget", *lines, ""]), encoding="utf-8")
    table(figures)
    cheap = [figure for figure in figures if figure[2].startswith("1/")]
    new = [figure for figure in figures if not figure[2].startswith("1/")]
    draw("remembered.svg", "What a request costs, in percent of a bare ES256 verification", cheap, 5, percent)
    draw("new.svg", "What a new token or proof costs, where its bare signature check is 1", new, 1.5, times)


def taken(printed):
    def named(found):
        # The length of a new token differs a little from run to run.
        is_sized = found["bytes"] and found["request"] == "a cached token"
        return f"{found['request']} of {found['bytes']} bytes" if is_sized else found["request"]

    found = [(named(f), f["signature"], rounded(f["share"]), rounded(f["budget"])) for f in PRINTED.finditer(printed)]
    if printed.strip() and len(found) != 7:
        sys.exit(f"the benchmark prints {len(found)} figures that are known here, and not 7")
    return found


def rounded(share):
    return f"1/{round(float(share[2:]))}" if share.startswith("1/") else f"{float(share):.2f}"


def read():
    _, *lines = FIGURES.read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines]


def table(figures):
    rows = ["", "| request | compared with | cost | budget |", "|---|---|---|---|"]
    rows += [f"| {request} | one {signature} verification | {share} | {budget} |" for request, signature, share, budget in figures]
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END, 1)
    PAGE.write_text(before + BEGIN + "\n".join(rows) + "\n\n" + END + after, encoding="utf-8")


def percent(share):
    return float(Fraction(share) * 100), f"{float(Fraction(share) * 100):.1f} % ({share})"


def times(share):
    return float(share), share


def draw(name, title, figures, top, scale):
    left, width, bar, gap, head = 240, 620, 22, 16, 44
    height = head + len(figures) * (bar + gap) + 30
    per_unit = (width - left - 110) / top
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' font-family="sans-serif" font-size="13" fill="#222">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="24" font-size="15">{escape(title)}</text>',
    ]
    for place, (request, _, share, budget) in enumerate(figures):
        (value, shown), (limit, _) = scale(share), scale(budget)
        y = head + place * (bar + gap)
        mark = left + limit * per_unit
        parts += [
            f'<text x="{left - 10}" y="{y + 16}" text-anchor="end">{escape(request)}</text>',
            f'<rect x="{left}" y="{y}" width="{value * per_unit:.1f}" height="{bar}" fill="#3b7dd8"/>',
            f'<line x1="{mark:.1f}" y1="{y - 4}" x2="{mark:.1f}" y2="{y + bar + 4}" stroke="#c0392b" stroke-width="2"/>',
            f'<text x="{max(left + value * per_unit, mark) + 8:.1f}" y="{y + 16}">{escape(shown)}</text>',
        ]
        if scale is times:
            parts.insert(-1, f'<rect x="{left}" y="{y}" width="{per_unit:.1f}" height="{bar}" fill="#b8c4d4"/>')
    key = "red: the budget" + ("; grey: the signature check itself" if scale is times else "")
    parts += [f'<text x="{left}" y="{height - 10}" font-size="12" fill="#666">{key}</text>', "</svg>", ""]
    (HERE / name).write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
