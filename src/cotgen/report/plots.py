"""Plots as inline SVG.

Across, places are percentages and text is never scaled, so that a plot is as legible on a phone as
on a desk. Colours are the page's classes; nothing is drawn by a script.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import log, log2
from typing import NamedTuple

from markupsafe import Markup, escape

from cotgen.display import visible
from cotgen.report.estimators import Estimate
from cotgen.report.histograms import Bin
from cotgen.report.numbers import Answered

_HEIGHT = 220
_NOTHING = Markup("")
_SHORT = 150


class Series(NamedTuple):
    """A line with a band: its name, its colour's class, and an estimate at each k."""

    name: str
    colour: str
    points: Sequence[tuple[int, Estimate]]


class Layer(NamedTuple):
    """One histogram of a plot."""

    name: str
    colour: str
    bins: Sequence[Bin]


def percent(share: float, digits: int = 1) -> str:
    """61.5 %, with a thin space that does not break."""
    return f"{100 * share:.{digits}f}\u202f%"


def points(share: float) -> str:
    """A difference in percentage points, signed."""
    return f"{100 * share:+.1f}".replace("-", "−")


def interval(estimate: Estimate) -> str:
    """The ends of an interval of shares."""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}".replace("-", "−")


def curves(series: Sequence[Series], label: str) -> Markup:
    """Shares against k, on a logarithmic axis."""
    ks = sorted({k for each in series for k, _ in each.points})
    if len(ks) < 2:
        return _NOTHING
    across = _scale(log2(ks[0]), log2(ks[-1]))
    lows = [point.low for each in series for _, point in each.points]
    bottom = max(0.0, int(min(lows) * 10) / 10)

    def down(share: float) -> float:
        return _HEIGHT * (1 - (share - bottom) / (1 - bottom))

    parts = [_levels(bottom, down)]
    for each in series:
        parts.append(_band(each, lambda k: across(log2(k)), down))
    for each in series:
        for k, point in each.points:
            tip = f"{each.name.replace('@k', f'@{k}')}: {percent(point.value)} ({interval(point)})"
            parts.append(
                _tag(
                    "circle", _class=f"dot {each.colour}", cx=_at(across(log2(k))),
                    cy=_px(down(point.value)), r=4, data_tip=tip,
                )
            )  # fmt: skip
    parts += [_below(across(log2(k)), _HEIGHT, str(k)) for k in _spaced(ks)]
    return _svg(parts, _HEIGHT, label)


def _spaced(ks: list[int]) -> list[int]:
    """The last k may stand too close to the power of two before it."""
    return [k for k in ks if k == ks[-1] or log2(ks[-1] / k) > 0.4]


def _band(series: Series, across: Callable[[int], float], down: Callable[[float], float]) -> Markup:
    """Paths stretch with the page, hence an inner picture of their own."""
    highs = [(across(k), down(point.high)) for k, point in series.points]
    lows = [(across(k), down(point.low)) for k, point in reversed(series.points)]
    middle = [(across(k), down(point.value)) for k, point in series.points]
    inner = _tag("polygon", _class=f"band {series.colour}", points=_path([*highs, *lows]))
    inner += _tag("polyline", _class=f"line {series.colour}", points=_path(middle))
    return _tag(
        "svg", inner, width="100%", height=_HEIGHT, viewBox=f"0 0 100 {_HEIGHT}",
        preserveAspectRatio="none",
    )  # fmt: skip


def _path(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _levels(bottom: float, down: Callable[[float], float]) -> Markup:
    """Lines across at round shares."""
    step = 0.25 if bottom == 0 else 0.1 if bottom >= 0.5 else 0.2
    shares = [1 - step * number for number in range(int((1 - bottom) / step + 0.001) + 1)]
    return Markup("").join(_level(down(share), f"{100 * share:.0f} %") for share in shares)


def _level(y: float, text: str) -> Markup:
    line = _tag("line", _class="grid", x1="0%", x2="100%", y1=_px(y), y2=_px(y))
    return line + _tag("text", escape(text), _class="tick y", x=-8, y=_px(y), dy="0.32em")


def histogram(layers: Sequence[Layer], label: str, unit: str) -> Markup:
    """Densities on a logarithmic axis: areas are counts. Two layers: one up, one down."""
    filled = [each for layer in layers for each in layer.bins if each.count]
    if not filled:
        return _NOTHING
    across = _scale(_log(min(b.low for b in filled)), _log(max(b.high for b in filled)))
    most = max(map(_density, filled))
    down = _SHORT / len(layers)
    base = [down, down][: len(layers)]
    parts = []
    for place, layer in enumerate(layers):
        for each in layer.bins:
            if not each.count:
                continue
            left, right = across(_log(each.low)), across(_log(each.high))
            height = max(1.0, (down - 4) * _density(each) / most)
            tip = f"{_range(each, unit)}: {each.count:,} {layer.name}".rstrip()
            top = base[place] - height if place == 0 else base[place] + 1
            parts.append(
                _tag(
                    "rect", _class=f"bar {layer.colour}", x=_at(left), y=_px(top),
                    width=_at(max(right - left - 0.25, 0.3)), height=_px(height), data_tip=tip,
                )
            )  # fmt: skip
    parts.append(_tag("line", _class="axis", x1="0%", x2="100%", y1=_px(down), y2=_px(down)))
    ticks = _ticks(min(b.low for b in filled), max(b.high for b in filled))
    parts += [_below(across(_log(tick)), _SHORT, f"{tick:,}") for tick in ticks]
    return _svg(parts, _SHORT, label, wide=True)


def by_length(bins: Sequence[Answered], label: str) -> Markup:
    """The share of correct attempts among decided ones, by length; dots are as large as bins."""
    decided = [(each, each.outcomes["correct"], each.outcomes["incorrect"]) for each in bins]
    filled = [(each, right, right + wrong) for each, right, wrong in decided if right + wrong]
    if len(filled) < 2:
        return _NOTHING
    across = _scale(_log(filled[0][0].low), _log(filled[-1][0].high))
    most = max(count for _, _, count in filled)

    def down(share: float) -> float:
        return _SHORT * (1 - share)

    parts = [_levels(0.0, down)]
    for each, right, count in filled:
        x = (across(_log(each.low)) + across(_log(each.high))) / 2
        tip = f"{_range(each, 'characters')}: {right:,} of {count:,} correct"
        parts.append(
            _tag(
                "circle", _class="dot solid correct", cx=_at(x), cy=_px(down(right / count)),
                r=_number(2 + 6 * (count / most) ** 0.5), data_tip=tip,
            )
        )  # fmt: skip
    ticks = _ticks(filled[0][0].low, filled[-1][0].high)
    parts += [_below(across(_log(tick)), _SHORT, f"{tick:,}") for tick in ticks]
    return _svg(parts, _SHORT, label)


def shares(bins: Sequence[Bin], label: str) -> Markup:
    """Problems by their share of correct attempts: never, ten steps, always."""
    most = max((each.count for each in bins), default=0)
    if not most:
        return _NOTHING
    names = ["never", *(f"{10 * n} – {10 * n + 10} %" for n in range(10)), "always"]
    parts = []
    width = 100 / len(bins)
    for place, (each, name) in enumerate(zip(bins, names, strict=True)):
        tall = (_SHORT - 18) * each.count / most
        colour = "incorrect" if place == 0 else "correct" if place == 11 else "mixed"
        x = place * width
        parts.append(
            _tag(
                "rect", _class=f"bar {colour}", x=_at(x + 0.4), width=_at(width - 0.8),
                y=_px(_SHORT - tall), height=_px(tall),
                data_tip=f"{each.count:,} problems solved {name.replace(' – ', ' to ')}",
            )
        )  # fmt: skip
        if each.count:
            middle = _at(x + width / 2)
            text = f"{each.count:,}"
            parts.append(
                _tag("text", escape(text), _class="count", x=middle, y=_px(_SHORT - tall - 5))
            )
    parts.append(_tag("line", _class="axis", x1="0%", x2="100%", y1=_SHORT, y2=_SHORT))
    # A quarter and three quarters lie in the middle of a bar, a half between two.
    for bars, name in ((0.0, "never"), (3.5, "¼"), (6.0, "½"), (8.5, "¾"), (12.0, "always")):
        parts.append(_below(bars * width, _SHORT, name))
    return _svg(parts, _SHORT, label, wide=True)


def stack(parts: Sequence[tuple[str, str, int]]) -> Markup:
    """One bar in parts: name, colour, count."""
    whole = sum(count for _, _, count in parts) or 1
    drawn, left = [], 0.0
    for name, colour, count in parts:
        wide = 100 * count / whole
        if count:
            drawn.append(
                _tag(
                    "rect", _class=f"bar {colour}", x=_at(left), width=_at(max(wide - 0.2, 0.2)),
                    y=0, height=18, data_tip=f"{count:,} {name} ({percent(count / whole)})",
                )
            )  # fmt: skip
        left += wide
    return _svg(drawn, 18, ", ".join(f"{count:,} {name}" for name, _, count in parts), row=True)


def bar(value: float, most: float, colour: str, tip: str) -> Markup:
    """One bar of a table's row."""
    width = 100 * value / most if most else 0.0
    back = _tag("rect", _class="trough", x="0%", width="100%", y=0, height=12)
    front = _tag(
        "rect", _class=f"bar {colour}", x="0%", width=_at(max(width, 0.4 if value else 0)), y=0,
        height=12, data_tip=tip,
    )  # fmt: skip
    return _svg([back, front], 12, "", row=True)


def dot(estimate: Estimate, colour: str, low: float = 0.0, high: float = 1.0) -> Markup:
    """An estimate with its interval, in a table's row; a line marks 0 where it is inside."""
    across = _scale(low, high)
    x1, x2 = (max(0.0, min(100.0, across(end))) for end in (estimate.low, estimate.high))
    parts = [_tag("line", _class="grid", x1="0%", x2="100%", y1=8, y2=8)]
    if low < 0:
        zero = _at(across(0))
        parts.append(_tag("line", _class="axis", x1=zero, x2=zero, y1=0, y2=16))
    value = f"{100 * estimate.value:.1f}".replace("-", "−")
    tip = f"{value} ({interval(estimate)}), {estimate.problems:,} problems"
    parts += [
        _tag("line", _class=f"whisker {colour}", x1=_at(x1), x2=_at(x2), y1=8, y2=8, data_tip=tip),
        _tag("circle", _class=f"dot {colour}", cx=_at(across(estimate.value)), cy=8, r=5,
             data_tip=tip),
    ]  # fmt: skip
    return _svg(parts, 16, "", row=True)


# --- parts ----------------------------------------------------------------------------------------


def _scale(low: float, high: float) -> Callable[[float], float]:
    """Maps a range to percentages."""
    spread = high - low or 1.0
    return lambda value: 100 * (value - low) / spread


def _log(value: int) -> float:
    return log(value + 1)


def _density(bin: Bin) -> float:
    return bin.count / (_log(bin.high) - _log(bin.low))


def _range(bin: Bin | Answered, unit: str) -> str:
    last = bin.high - 1
    return f"{bin.low:,} {unit}" if last == bin.low else f"{bin.low:,} to {last:,} {unit}"


def _ticks(low: int, high: int) -> list[int]:
    """Round numbers in a range: 1, 2, 5, 10, … or only powers of ten where it is wide."""
    for steps in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [0] if low == 0 else []
        ticks += [step * 10**power for power in range(11) for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= 6:
            break
    return inside


def _below(x: float, height: int, text: str) -> Markup:
    anchor = "start" if x < 3 else "end" if x > 97 else "middle"
    kind = f"tick {anchor}"
    return _tag("text", escape(text), _class=kind, x=_at(x), y=height + 18)


def _svg(
    parts: Iterable[Markup], height: int, label: str, *, wide: bool = False, row: bool = False
) -> Markup:
    """A plot; one inside a table's row says nothing that the row does not."""
    kind = "plot row" if row else "plot wide" if wide else "plot"
    about = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return _tag("svg", Markup("").join(parts), _class=kind, height=height, **about)


def _tag(name: str, inside: Markup = _NOTHING, /, **attributes: object) -> Markup:
    written = Markup("").join(
        Markup(' {}="{}"').format(key.strip("_").replace("_", "-"), visible(str(value)))
        for key, value in attributes.items()
    )
    return Markup("<{name}{written}>{inside}</{name}>").format(
        name=name, written=written, inside=inside
    )


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _at(value: float) -> str:
    return f"{_number(value)}%"


def _px(value: float) -> str:
    return _number(value)
