"""The curves of bench_growth.py in one picture: CPU seconds by rows, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

# Told apart in print and by people who see fewer colours (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
Points = Sequence[tuple[int, float]]


def slope(points: Points) -> float:
    """Exponent of the rows in the cost over the last decade of sizes: least squares of the logarithms.

    0.0 where there are fewer than two points.
    """
    last = [(rows, cpu) for rows, cpu in points if rows >= max(points)[0] / 10.5 and cpu > 0]
    if len(last) < 2:
        return 0.0
    rows, cpu = np.log(np.array(last)).T
    return float(np.polyfit(rows, cpu, 1)[0])


def short(value: float) -> str:
    """A tick's number: 0.01, 30, 10k, 1M."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{unit}"
    return f"{value:g}"


def draw(panels: Mapping[str, Mapping[str, Points]], file: Path) -> None:
    """One panel per group of works, one curve per work, its slope at its end. ``file``: .svg or .png."""
    import matplotlib as mpl

    mpl.use("agg")
    # Text as text, and the same file for the same figures.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "samespace", "font.size": 9})
    from matplotlib import pyplot as plt

    columns = 2
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(11, 5 * rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, (title, curves) in zip(axes.flat, panels.items(), strict=False):
        for number, (name, points) in enumerate(curves.items()):
            x, y = zip(*sorted(points), strict=True)
            label = f"{name} (slope {slope(points):.2f})"
            style = {"marker": MARKS[number % 7], "color": COLOURS[number % 7], "markersize": 4}
            axis.plot(x, y, label=label, linewidth=1.4, **style)
        axis.set(title=title, xscale="log", yscale="log", xlabel="rows", ylabel="CPU seconds")
        # Whole decades, so that every axis has two labels or more.
        cost = np.log10([cpu for points in curves.values() for _, cpu in points])
        axis.set_ylim(10.0 ** np.floor(cost.min()), 10.0 ** np.ceil(cost.max()))
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_formatter(lambda value, _: short(value))
            scale.set_minor_formatter(lambda *_: "")
        axis.grid(visible=True, which="major", linewidth=0.4, alpha=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, dpi=110)
    plt.close(figure)
