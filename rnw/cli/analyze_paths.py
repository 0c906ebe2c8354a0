"""`rnw analyze paths` and `rnw analyze unravel`: section 3 of the paper on trained networks."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import click

from rnw.cli.common import (
    FILE,
    SEED,
    Devices,
    data_root_option,
    device_options,
    exit_when_interrupted,
    gather,
    json_option,
    print_json,
)
from rnw.cli.display import Display
from rnw.files import check_free
from rnw.locks import alone_in

if TYPE_CHECKING:
    from rnw.analysis.path_report import Measured
    from rnw.analysis.subjects import Subject
    from rnw.analysis.unravel import SubNetwork


class _Count(NamedTuple):
    """The progress of a measurement."""

    step: int
    steps: int
    what: str

    def __str__(self) -> str:
        return f"{self.step}/{self.steps} {self.what}"

    def short(self) -> str:
        return str(self)


def _counting(display: Display, what: str) -> Callable[[int, int], None]:
    return lambda done, total: display.on_step(_Count(done, total, what))


@dataclass(frozen=True)
class _Sampling:
    """How many paths of each length are measured, and on which images."""

    samples: int
    examples: int
    seed: int
    data_root: Optional[Path]


def _measuring_options(command: Callable) -> Callable:
    """Add the options of a measurement, handed over as `sampling` and `devices`."""
    command = gather("sampling", _Sampling)(gather("devices", Devices)(command))
    for option in (
        click.option(
            "--seed",
            type=SEED,
            default=0,
            show_default=True,
            help="Seed of the random choice of images and paths.",
        ),
        click.option(
            "--examples",
            type=click.IntRange(1),
            default=32,
            show_default=True,
            help="Number of images in a batch.",
        ),
        click.option(
            "--samples",
            type=click.IntRange(1),
            default=16,
            show_default=True,
            help="Number of paths to draw of each length.",
        ),
    ):
        command = option(command)
    return data_root_option(device_options(command))


@click.command()
@click.option(
    "--weights",
    "files",
    type=FILE,
    multiple=True,
    help="Weights file of a trained network, of this package or of a ResNet from gluoncv.",
)
@click.option(
    "--network",
    "names",
    multiple=True,
    metavar="NAME",
    help="Name of a network: a ResNet from gluoncv with its weights, or one of ours, untrained.",
)
@click.option(
    "--dataset",
    metavar="DS",
    help="Dataset to measure networks of ours on: a name, or the folder or description of your own "
    "(default: that of a weights file, and ilsvrc-cls for an untrained --network).",
)
@click.option(
    "--demo",
    is_flag=True,
    help="First train a deep and a wide network on the digits, then measure both.",
)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="DIR",
    default="paths",
    show_default=True,
    help="Folder for the measurements and the figure.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace the measurements and the figure of an earlier call."
)
@_measuring_options
def paths(
    files: Tuple[Path, ...],
    names: Tuple[str, ...],
    dataset: Optional[str],
    demo: bool,
    output: Path,
    overwrite: bool,
    sampling: _Sampling,
    devices: Devices,
) -> None:
    """Measure the gradients along paths of each length, as in Figure 4 (appendix A.2).

    The figure has one panel for each --weights FILE, then one for each --network NAME. NAME is a
    ResNet from gluoncv, such as resnet101_v1b or cifar_resnet110_v1, whose weights are downloaded,
    or a network of ours that is not trained. Writes paths.csv, paths.json, paths.png, paths.pdf and
    their caption, paths.txt, to DIR.
    """
    if not (files or names or demo):
        raise click.UsageError("give '--weights', '--network' or '--demo'")
    contexts = devices.contexts()
    from rnw.analysis.path_report import report_files, save_report
    from rnw.analysis.subjects import find_subject, load_subject, tell_apart

    check_free(*report_files(output), overwrite=overwrite)
    with Display() as display, exit_when_interrupted(), alone_in(output):
        if demo:
            files = (*files, *_train_demo(output / "runs", contexts, sampling.seed, display))
        subjects = [load_subject(path, contexts[0], dataset) for path in files]
        subjects += [find_subject(name, contexts[0], dataset) for name in names]
        measured = []
        for subject in tell_apart(subjects):
            found = _measure(subject, sampling, display)
            display.on_row(found)
            measured.append(found)
        save_report(measured, output, overwrite=overwrite)
    click.echo(f"{output / 'paths.png'}")


def _train_demo(folder: Path, contexts: List[Any], seed: int, display: Display) -> List[Path]:
    from rnw.analysis.path_demo import train_demo

    return train_demo(folder, contexts, seed=seed, observer=display)


def _measure(subject: "Subject", sampling: _Sampling, display: Display) -> "Measured":
    from rnw.analysis.path_report import measure

    on_step = _counting(display, f"steps on {subject.name}")
    return measure(subject, **vars(sampling), on_step=on_step)


@click.command()
@click.option(
    "--weights",
    type=FILE,
    required=True,
    help="Weights file of a trained network, of this package or of a ResNet from gluoncv.",
)
@click.option(
    "--images",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Number of test images to measure accuracy on.",
)
@_measuring_options
@json_option
def unravel(
    weights: Path,
    images: int,
    sampling: _Sampling,
    devices: Devices,
    as_json: bool,
) -> None:
    """Measure the sub-networks that a residual network is an ensemble of (section 3).

    Sub-network M_i is what the mapping of residual unit i adds to the sum that is classified
    (Figures 1 and 2). The effective depth is the smallest path length such that paths of at most
    this length carry 90 % of the gradient at the input, as `rnw analyze paths` measures it.
    """
    contexts = devices.contexts()
    from rnw.analysis.subjects import Batches, load_subject
    from rnw.analysis.unravel import measure_sub_networks

    with Display(err=as_json) as display:
        subject = load_subject(weights, contexts[0])
        found = _measure(subject, sampling, display)
        seed, data_root = sampling.seed, sampling.data_root
        batches = Batches(subject, images, sampling.examples, seed=seed, data_root=data_root)
        rows = measure_sub_networks(subject.chain, batches, _counting(display, "batches"))
    if as_json:
        print_json(_unraveled_record(found, rows))
    else:
        _show_unraveled(found, rows)


def _trained_fractions(found: "Measured") -> Tuple[float, float]:
    """Return the fraction of sub-networks trained end to end, also if all paths were alike."""
    from rnw.analysis.unravel import trained_end_to_end

    depths = (found.depth, found.even_depth)
    fraction, even_fraction = (trained_end_to_end(found.units, depth) for depth in depths)
    return fraction, even_fraction


def _unraveled_record(found: "Measured", rows: "List[SubNetwork]") -> Dict[str, Any]:
    fraction, even_fraction = _trained_fractions(found)
    return {
        "network": found.name,
        "recognized": found.told,
        "units": found.units,
        "effective_depth": found.depth,
        "effective_depth_of_exact_sums": found.exact_depth,
        "effective_depth_of_equal_paths": found.even_depth,
        "trained_end_to_end": 100 * fraction,
        "trained_end_to_end_with_equal_paths": 100 * even_fraction,
        "sub_networks": [asdict(row) for row in rows],
    }


def _show_unraveled(found: "Measured", rows: "List[SubNetwork]") -> None:
    click.echo(str(found))
    if found.told:
        click.echo(found.told)
    fraction, even_fraction = _trained_fractions(found)
    click.echo(
        f"sub-networks trained end to end: {fraction:.0%} "
        f"({even_fraction:.0%} if all paths were alike)"
    )
    click.echo("sub-network  size of its term  alone, top-1 %  M_0 to M_i, top-1 %")
    for row in rows:
        click.echo(f"M_{row.index:<9}  {row.size:16.3f}  {row.alone:14.2f}  {row.together:20.2f}")
