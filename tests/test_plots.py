"""Plots as files."""

from pathlib import Path

import cv2
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rnw.errors import InputError
from rnw.plots import SUFFIXES, check_plot_file, save_plot

BEGINNINGS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture
def figure():
    figure = Figure(figsize=(2, 1), dpi=50)
    FigureCanvasAgg(figure)
    figure.subplots().plot([0, 1], label="a line")
    figure.legend()
    return figure


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_suffix_says_the_format_and_the_same_figure_gives_the_same_bytes(figure, suffix):
    for name in ("one", "two"):
        save_plot(figure, f"{name}{suffix}")
    content = Path(f"one{suffix}").read_bytes()
    assert content.startswith(BEGINNINGS[suffix])
    assert Path(f"two{suffix}").read_bytes() == content


def test_options_are_those_of_savefig(figure):
    save_plot(figure, "a.png")
    save_plot(figure, Path("b.png"), dpi=100)
    assert [cv2.imread(name).shape for name in ("a.png", "b.png")] == [(50, 100, 3), (100, 200, 3)]


@pytest.mark.parametrize("name", ["plot.jpg", "plot", "plot.PNG.gz"])
def test_other_formats_are_refused(name):
    with pytest.raises(InputError, match=f"^{name}: expected a name that ends in .png, .svg, .pdf"):
        check_plot_file(name)


def test_a_file_is_replaced_only_when_told_so(figure):
    check_plot_file("plot.svg")
    save_plot(figure, "plot.svg")
    with pytest.raises(InputError, match=r"^plot\.svg: exists already"):
        check_plot_file("plot.svg")
    check_plot_file("plot.svg", overwrite=True)
