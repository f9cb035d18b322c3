"""The page: one file that needs nothing else, in which no text can be anything but text."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from cotgen.display import visible
from cotgen.report import plots
from cotgen.report.estimators import RESAMPLES
from cotgen.report.histograms import Bin
from cotgen.report.numbers import OUTCOMES, Numbers, Report
from cotgen.report.pairs import LONGEST_MEASURED, SAMPLED_PROBLEMS

_COLOURS = ("first", "second", "third", "fourth")


def rendered(report: Report) -> str:
    """The page as HTML. The same numbers give the same page, byte for byte."""
    style, script = _asset("page.css"), _asset("page.js")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            runs=report.runs,
            alone=len(report.runs) == 1,
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
        )
    )


def _policy(style: str, script: str) -> str:
    """Nothing is fetched from anywhere, and no style and no script but our own is heeded."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return resources.files("cotgen.report").joinpath(name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_asset),
        # Control and bidirectional characters are shown as escapes, wherever a text stands.
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {
        "pct": plots.percent,
        "ends": plots.interval,
        "points": plots.points,
        "count": "{:,}".format,
        "breakable": _breakable,
    }
    environment.globals |= {
        "plots": plots,
        "outcomes": OUTCOMES,
        "colour_of": lambda place: _COLOURS[place % len(_COLOURS)],
        "curve_of": _curve,
        "curves_of_runs": _curves_of_runs,
        "most_of": lambda counts: max(counts, default=0),
        "resamples": RESAMPLES,
        "sampled_problems": SAMPLED_PROBLEMS,
        "longest_measured": LONGEST_MEASURED,
        "usd": _usd,
        "layers": _layers,
        "layer": plots.Layer,
        "widest": _widest,
    }
    return environment


def _curve(numbers: Numbers) -> Markup:
    """pass@k and majority@k of one run."""
    passed = [(point.k, point.passed) for point in numbers.curve]
    majority = [(point.k, point.majority) for point in numbers.curve]
    series = [
        plots.Series("pass@k", "first", passed),
        plots.Series("majority@k", "second", majority),
    ]
    return plots.curves(series, f"pass@k and majority@k of {numbers.facts.name}; see the table")


def _curves_of_runs(runs: list[Numbers], measure: str) -> Markup:
    series = [
        plots.Series(
            run.facts.name,
            _COLOURS[place % len(_COLOURS)],
            [(point.k, getattr(point, measure)) for point in run.curve],
        )
        for place, run in enumerate(runs)
    ]
    return plots.curves(series, f"{measure} at k of each run; see the table")


def _layers(numbers: Numbers) -> list[plots.Layer]:
    """Lengths of correct attempts upwards, of wrong ones downwards."""
    return [
        plots.Layer(
            outcome,
            outcome,
            [Bin(cut.low, cut.high, cut.outcomes[outcome]) for cut in numbers.lengths.bins],
        )
        for outcome in OUTCOMES[:2]
    ]


def _usd(amount: float) -> str:
    """Dollars, with as many digits as the amount deserves."""
    if amount == 0:
        return "$0"
    return (
        f"${amount:,.2f}"
        if amount >= 1
        else f"${amount:.4f}"
        if amount >= 0.001
        else f"${amount:.2g}"
    )


def _breakable(text: str) -> Markup:
    """A name that may break where names have joints, before it breaks anywhere."""
    shown = str(escape(visible(text)))
    for joint in "/_-":
        shown = shown.replace(joint, f"{joint}<wbr>")
    return Markup(shown)


def _widest(estimates: list[object]) -> float:
    """A round range, to both sides of 0, that holds all differences."""
    ends = [abs(getattr(each, end)) for each in estimates for end in ("low", "high")]
    most = max(ends, default=0.0)
    return next((step for step in (0.02, 0.05, 0.1, 0.2, 0.5) if most <= step), 1.0)
