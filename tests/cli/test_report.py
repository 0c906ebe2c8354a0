"""Reports by the command line, seen by a browser."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.sets.catalog import SEGMENTATION
from rnw.evaluation.segmentation.kept import KeptLabels

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--enable-logging=stderr", "--dump-dom"),
)
WINDOW, PHONE = (1200, 900), 360  # pixels
SHAPES = "shapes_rna-56-0-1-1-1-1-1-1_cls5_s8_ep-0001.params (md5 0)"
MEASURE = """
<script>addEventListener("load", () => {
  const measure = (view) => ({
    width: view.innerWidth,
    scrolled: view.document.documentElement.scrollWidth,
    images: [...view.document.images].map((image) => image.complete && image.naturalWidth),
  });
  document.title = "found " + JSON.stringify([window, window[0]].map(measure)) + " end";
})</script>
"""


@pytest.fixture
def kept():
    folder = Path("kept")
    labels = KeptLabels(folder, SEGMENTATION["shapes"], {"weights": [SHAPES], "protocol": "none"})
    for number in range(3):
        labels.write(f"1-{number:04d}", np.zeros((96, 96), np.uint8))
    return folder


def test_an_evaluation(rnw, kept):
    assert rnw("report", kept, "--pictures", 1) == (0, "kept/report.html\n", "")
    page = Path("kept/report.html").read_text()
    assert "<h1>drawn shapes, val</h1>" in page
    assert f"<p>3 of 100 pictures so far; {SHAPES}; none</p>" in page
    assert page.count('class="picture"') == 2


@pytest.fixture
def classified(rnw, checkpoint):
    """Predictions of the digits."""
    assert rnw("eval-cls", "--weights", checkpoint, "--predictions", "digits-kept")[0] == 0
    return Path("digits-kept")


@pytest.mark.slow
def test_a_classifier(rnw, checkpoint, classified):
    scores = json.loads(rnw("eval-cls", "--weights", checkpoint, "--json")[1])
    assert rnw("report", classified, "--pictures", 3) == (0, "digits-kept/report.html\n", "")
    page = (classified / "report.html").read_text()
    assert f"<p>359 pictures; {checkpoint.name} (md5 " in page
    assert f"<dd>{scores['top1']:.2f} %</dd><" in page
    assert page.count("image/jpeg") == 6


def test_a_page_is_replaced_only_when_told_so(rnw, refused, kept):
    Path("my.html").write_text("kept")
    assert "my.html: exists" in refused("report", kept, "-o", "my.html")
    assert Path("my.html").read_text() == "kept"
    assert rnw("report", kept, "-o", "my.html", "--overwrite")[0] == 0
    assert Path("my.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        ("none", "none: expected a folder of `rnw eval-seg --save-predictions`, with labels in it"),
        ("kept --dataset mnist", "unknown dataset 'mnist': expected one of voc, "),
        ("kept --split train", "kept: no predictions for drawn shapes"),
    ],
)
def test_refuses(refused, kept, arguments, wording):
    assert wording in refused("report", *arguments.split())


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is on PATH")
@pytest.mark.parametrize("kind", ["labels", "classes", "training"])
def test_a_browser_shows_all_of_it_in_a_window_and_on_a_phone(
    rnw, kept, classified, checkpoint, kind
):
    run, images, width = {
        "labels": (kept, 1 + 3 * 4, 96),
        "classes": (classified, 2 + 2 * 4, 28),
        "training": (checkpoint.parent, 1, 96),
    }[kind]
    assert rnw("report", run, "-o", "report.html")[0] == 0
    seen, picture = _browse(Path("report.html").read_text())
    for view, window in zip(seen, (WINDOW[0], PHONE)):
        assert view["width"] == window
        assert view["scrolled"] <= window
        assert len(view["images"]) == images
        assert min(view["images"]) >= width
    assert picture.size == WINDOW
    assert len(picture.convert("RGB").getcolors(WINDOW[0] * WINDOW[1])) > 200


def _browse(page):
    """What a browser finds in a page and in the same on a phone, and a picture of the former."""
    phone = f'<iframe width="{PHONE}" height="640" frameborder="0" srcdoc="{html.escape(page)}">'
    Path("seen.html").write_text(page.replace("</body>", f"{phone}</iframe>{MEASURE}</body>"))
    size = ",".join(map(str, WINDOW))
    options = (f"--window-size={size}", "--screenshot=seen.png", "--user-data-dir=profile")
    shown = subprocess.run(
        [BROWSER, *OPTIONS, *options, Path("seen.html").resolve().as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert "CONSOLE" not in shown.stderr
    found = re.search("<title>found (.*) end</title>", shown.stdout)[1]
    with Image.open("seen.png") as picture:
        picture.load()
    return json.loads(found), picture
