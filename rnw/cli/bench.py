"""`rnw bench`: speed and memory, beside a reference that is measured in the same run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

import click

from rnw.cli.common import (
    FILE,
    Choice,
    Devices,
    EngineDevices,
    Group,
    device_options,
    engine_options,
    gather,
    json_option,
    parse_numbers,
    precision_options,
    print_json,
    print_line,
    width_option,
)
from rnw.errors import counted
from rnw.evaluation.engines.table import MXNET, find_engine
from rnw.networks.layout import NetworkConfig, configure
from rnw.weights.choices import FORMAT_TITLES
from rnw.weights.precision import FLOAT32, PRECISIONS

if TYPE_CHECKING:
    from rnw.bench.inference import InferenceSpeed
    from rnw.bench.peers import Comparison, Workload
    from rnw.bench.scaling import ScalingRow
    from rnw.bench.train import TrainingSpeed
    from rnw.reports.cost_tables import SpeedRow


@click.group(cls=Group)
def command() -> None:
    """Measure speed and memory on this machine."""


def _repetitions(default: int) -> Callable:
    """Return the option `--repetitions`, with its default for a benchmark."""
    return click.option(
        "--repetitions",
        type=int,
        default=default,
        show_default=True,
        help="Number of measurements, of which the median counts.",
    )


def _one_device(devices: Devices) -> Any:
    context, *others = devices.contexts()
    if others:
        raise click.UsageError(
            "one device is measured at a time: leave out '--cpus', or give '--gpus' one number"
        )
    return context


@command.command()
@click.argument("network")
@click.option(
    "--batch", type=int, default=8, show_default=True, help="Number of images in a batch."
)
@click.option(
    "--size", type=int, default=224, show_default=True, help="Side of the images in pixels."
)
@_repetitions(5)
@width_option
@click.option(
    "--peers",
    is_flag=True,
    help="Compare the engine with all others that are installed, and with OpenVINO, ONNX Runtime "
    "and PyTorch as they are used without rnw.",
)
@engine_options
@json_option
@gather("devices", EngineDevices)
def inference(
    network: str,
    batch: int,
    size: int,
    repetitions: int,
    width: float,
    peers: bool,
    devices: EngineDevices,
    as_json: bool,
) -> None:
    """Compare the speed of NETWORK with that of a large matrix product, or of other engines.

    MXNet is compared with the product, on one device. The network as optimized for inference is
    measured, too, and with --precision once more in that precision. On a CPU the measurement is
    repeated in a second process that leaves the number of threads to MXNet.

    With --engine or --peers, and where MXNet is not installed, engines are compared instead, each
    in a process of its own, in float32 and in the precision that --precision names.
    """
    if peers or devices.engine or devices.provider or find_engine().name != MXNET:
        from rnw.bench.peers import compare_peers

        work = _workload(configure(network, width=width), batch, size, devices)
        asked: Dict[str, Any] = {"engine": devices.engine, "precision": devices.precision}
        found = compare_peers(work, peers=peers, repetitions=repetitions, **asked)
        print_json(found.as_dict()) if as_json else _show_peers(found)
        return
    context = _one_device(devices)
    from rnw.bench.inference import bench_inference  # starts MXNet

    how: Dict[str, Any] = {"precision": devices.precision, "force": devices.force_precision}
    how.update(repetitions=repetitions, width=width)
    result = bench_inference(network, batch, size, context, **how)
    print_json(result._asdict()) if as_json else _show_inference(result, context)


def _workload(config: NetworkConfig, batch: int, size: int, devices: EngineDevices) -> "Workload":
    from rnw.bench.peers import Workload

    where = (devices.gpus, devices.cpus, devices.provider)
    return Workload(config, batch, size, *where, devices.force_precision)


def _show_inference(result: "InferenceSpeed", context: Any) -> None:
    click.echo(f"{result.network}, batch {result.batch}, {result.size}x{result.size}, {context}")
    click.echo(f"{result.images_per_second:.2f} images/s, {result.gflops:.1f} GFLOP/s")
    click.echo(f"matrix product {result.reference_gflops:.1f} GFLOP/s, ratio {result.ratio:.3f}")
    click.echo(f"peak memory {result.peak_memory_mb:.0f} MB")
    click.echo(f"optimized for inference: {result.optimized_gain:.3f} times the speed")
    if result.precision_gain is not None:
        gain = f"{result.precision_gain:.3f} times the speed in float32"
        click.echo(f"optimized, in {result.precision}: {gain}")
    if result.thread_gain is not None:
        click.echo(f"{result.thread_gain:.2f} times the speed with MXNet's own number of threads")


def _show_peers(found: "Comparison") -> None:
    click.echo(f"{found.network}, batch {found.batch}, {found.size}x{found.size}")
    for speed in found.speeds:
        parts = [f"{speed.images_per_second:.2f} images/s"]
        if speed.ratio is not None:
            parts.append(f"{_noisy(speed.ratio, speed.noise)} times the best other")
        if speed.gain is not None:
            parts.append(f"{_noisy(speed.gain, speed.gain_noise)} times float32")
        parts.append(f"peak memory {speed.peak_memory_mb:.0f} MB")
        click.echo(f"{speed.peer} in {speed.precision}: {', '.join(parts)}")
    for row in found.standings:
        ratio = _noisy(row.ratio, row.noise)
        best = f"the best engine, {row.engine}, {ratio} times {row.library}, the best peer"
        known = ""
        if row.reference_ratio is not None:
            ratio = _noisy(row.reference_ratio, row.reference_noise)
            known = f"; the reference, {MXNET}, {ratio} times"
        click.echo(f"in {row.precision}: {best}{known}")
    for what, why in found.missing.items():
        click.echo(f"{what}: {why}")


def _noisy(ratio: float, noise: Optional[float]) -> str:
    return f"{ratio:.3f} +- {noise:.3f}"


@command.command()
@click.argument("network")
@click.option(
    "--images", type=int, default=96, show_default=True, help="Number of pictures to evaluate."
)
@click.option(
    "--size",
    type=int,
    help="Side in pixels of the crops of a classifier, or of the longer side of the pictures of a "
    "segmentation network (default: as in the paper's tests, 320 for networks of 224, and 500).",
)
@click.option(
    "--batch",
    type=int,
    default=64,
    show_default=True,
    help="Number of crops in a batch of a classifier.",
)
@_repetitions(3)
@width_option
@engine_options
@json_option
@gather("devices", EngineDevices)
def evaluation(
    network: str,
    images: int,
    size: Optional[int],
    batch: int,
    repetitions: int,
    width: float,
    devices: EngineDevices,
    as_json: bool,
) -> None:
    """Compare the speed of a whole evaluation with that of NETWORK alone.

    A whole evaluation reads, scales and normalizes photographs, which are made for the measurement,
    computes the network, finds and counts labels, and keeps predictions.
    """
    from rnw.bench.evaluation import bench_evaluation, usual_size  # needs an extra

    config = configure(network, width=width)
    work = _workload(config, batch, usual_size(config) if size is None else size, devices)
    asked: Dict[str, Any] = {"engine": devices.engine, "precision": devices.precision}
    result = bench_evaluation(work, images=images, repetitions=repetitions, **asked)
    if as_json:
        print_json(result._asdict())
        return
    click.echo(
        f"{network} in {result.precision} by {result.engine}, {images} pictures at {work.size}"
    )
    click.echo(f"evaluation {result.images_per_second:.2f} images/s, network {result.bare:.2f}")
    click.echo(f"ratio {result.kept:.3f}, of processor time {result.processor_share:.3f}")
    click.echo(f"peak memory {result.peak_memory_mb:.0f} MB")


@command.command()
@click.option(
    "--network", default="model_a1", show_default=True, help="Network whose weights are converted."
)
@click.option(
    "--to",
    type=Choice(list(FORMAT_TITLES)),
    default="safetensors",
    show_default=True,
    help="Format to convert to.",
)
@_repetitions(5)
@click.option(
    "--folder",
    type=FILE,
    help="Folder for temporary files, which needs room for three weights files (default: the "
    "system's temporary folder).",
)
@json_option
def convert(network: str, to: str, repetitions: int, folder: Optional[Path], as_json: bool) -> None:
    """Compare the conversion of a weights file with a plain copy, and time `rnw weights show`."""
    from rnw.bench.convert import bench_conversion

    result = bench_conversion(network, to, repetitions=repetitions, folder=folder)
    if as_json:
        print_json(result._asdict())
        return
    click.echo(f"{network}, {result.classes} classes, {result.file_mb:.0f} MB, to {to}")
    click.echo(
        f"copy {result.copy:.2f} s, convert {result.convert:.2f} s, ratio {result.ratio:.2f}"
    )
    click.echo(f"peak memory {result.peak_memory_mb:.0f} MB")
    click.echo(f"show {result.show:.2f} s")


@command.command()
@click.argument("network")
@click.option(
    "--batch",
    type=int,
    default=8,
    show_default=True,
    help="Number of images in a batch, shared by all devices.",
)
@click.option(
    "--size", type=int, default=224, show_default=True, help="Side of the images in pixels."
)
@_repetitions(5)
@click.option("--recompute", is_flag=True, help="Also measure with recomputation.")
@click.option(
    "--frontier",
    is_flag=True,
    help="Measure plans of recomputation from little to the most instead, each beside a step "
    "without any, and PyTorch's checkpoints where PyTorch is installed.",
)
@precision_options
@click.option(
    "--gpus",
    metavar="0,1,...",
    help="Numbers of the GPUs to compute on, joined by commas (default: the CPU).",
)
@click.option(
    "--cpus",
    "--devices",
    type=int,
    metavar="N",
    help="Number of CPU devices to compute on (default: 1).",
)
@json_option
@gather("devices", Devices)
def train(
    network: str,
    batch: int,
    size: int,
    repetitions: int,
    recompute: bool,
    frontier: bool,
    precision: str,
    force_precision: bool,
    devices: Devices,
    as_json: bool,
) -> None:
    """Compare a training step of NETWORK with that of MXNet's Module, and with one device.

    With --precision the step is measured once more in that precision.
    """
    if frontier:
        if precision != FLOAT32:
            raise click.UsageError("--frontier measures float32: leave out --precision")
        _show_frontier(network, batch, size, repetitions, devices, as_json)
        return
    from rnw.bench.train import bench_training

    rows = bench_training(
        network,
        batch,
        size,
        gpus=devices.gpus,
        cpus=devices.cpus,
        recompute=recompute,
        precision=precision,
        force=force_precision,
        repetitions=repetitions,
    )
    if as_json:
        print_json({row.variant: row._asdict() for row in rows})
        return
    click.echo(f"{network}, batch {batch}, {size}x{size}; memory in MB")
    for row in rows:
        click.echo(
            f"{row.variant:<11} on {row.devices}: {row.seconds_per_step:.3f} s a step, "
            f"{row.images_per_second:.2f} images/s, peak {row.peak_memory_mb:.0f}"
        )
        if row.parts:
            click.echo("    " + ", ".join(f"{name} {size:.0f}" for name, size in row.parts.items()))
    click.echo(_compare({row.variant: row for row in rows}))


def _show_frontier(
    network: str, batch: int, size: int, repetitions: int, devices: Devices, as_json: bool
) -> None:
    from rnw.bench.frontier import bench_frontier

    rows = bench_frontier(
        network, batch, size, gpus=devices.gpus, cpus=devices.cpus, repetitions=repetitions
    )
    if as_json:
        print_json({"network": network, "rows": [row._asdict() for row in rows]})
        return
    click.echo(f"{network}, batch {batch}, {size}x{size}; beside a step that keeps all:")
    for row in rows:
        name = row.variant
        if row.planned_memory is not None:
            layers = f"the first {row.layers_again} layers" if row.layers_again else "no layers"
            name = f"{layers} again{' (--recompute)' * row.chosen}"
        planned = (
            ""
            if row.planned_memory is None
            else f" (planned {row.planned_memory:.3f} and {row.planned_time:.2f})"
        )
        click.echo(
            f"{name}: {row.memory:.3f} of the activations, {row.activations_mb:.0f} MB, "
            f"{row.time:.2f} times the time{planned}"
        )


def _compare(rows: Dict[str, "TrainingSpeed"]) -> str:
    """Return the ratios of a training benchmark in words."""
    first = rows["rnw"]
    parts = [f"a step takes {1 / rows['module'].ratio:.3f} times as long as Module's"]
    if "one device" in rows:
        parts.append(f"{1 / rows['one device'].ratio:.3f} times as long as on one device")
    if "recomputing" in rows:
        again = rows["recomputing"]
        share = again.parts["activations"] / first.parts["activations"]
        parts.append(f"recomputing {again.ratio:.3f} times the step, {share:.3f} the activations")
    low = [name for name in rows if name in PRECISIONS]
    parts += [f"{name} {rows[name].ratio:.3f} times the step" for name in low]
    return "; ".join(parts)


@command.command()
@click.argument("network")
@click.option(
    "--batches",
    default="4,2,1",
    show_default=True,
    callback=parse_numbers(int, "numbers of images such as 4,2,1"),
    help="Numbers of images in a batch, shared by all devices.",
)
@click.option(
    "--sizes",
    default="224,112,56",
    show_default=True,
    callback=parse_numbers(int, "sizes such as 224,112"),
    help="Sides of the images in pixels.",
)
@click.option(
    "--widths",
    default="1,0.5,0.25",
    show_default=True,
    callback=parse_numbers(float, "factors such as 1,0.5"),
    help="Factors on the number of channels of every layer.",
)
@click.option(
    "--devices",
    default="1,2,4",
    show_default=True,
    callback=parse_numbers(int, "numbers of CPU devices such as 1,2,4"),
    help="Numbers of CPU devices that share a batch.",
)
@_repetitions(3)
@click.option(
    "-o", "--output", type=FILE, help="File to draw the growth to as well: .png, .svg or .pdf."
)
@click.option("--overwrite", is_flag=True, help="Replace the picture if it exists.")
@json_option
def scaling(
    network: str,
    batches: Tuple[int, ...],
    sizes: Tuple[int, ...],
    widths: Tuple[float, ...],
    devices: Tuple[int, ...],
    repetitions: int,
    output: Optional[Path],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Measure how time and memory of a training step of NETWORK grow.

    The first number of each list is where all measurements start from, and one of them is changed
    at a time. Time and memory are fitted by powers of what is changed, whose exponents are shown:
    1 where something doubles together with it, 0 where it stays the same. A list of one number is
    not varied. The memory that is fitted is what the step adds to that of the process.
    """
    from rnw.bench.scaling import bench_scaling, fit_growth

    if output is not None:
        from rnw.plots import check_plot_file  # starts Matplotlib

        check_plot_file(output, overwrite=overwrite)
    rows = bench_scaling(
        network,
        batches,
        sizes,
        widths,
        devices,
        repetitions=repetitions,
        on_row=lambda row: print_line(_scaling_line(row), err=as_json),
    )
    growth = fit_growth(rows)
    for fitted in growth:
        exponents = f"time {fitted.time:.2f}, memory {fitted.memory:.2f}"
        print_line(f"exponents of {fitted.varied}: {exponents}", err=as_json)
    if output is not None:
        from rnw.bench.scaling_plot import draw_scaling

        draw_scaling(network, rows, output)
        print_line(str(output), err=as_json)
    if as_json:
        found = [[each._asdict() for each in table] for table in (rows, growth)]
        print_json({"network": network, "rows": found[0], "exponents": found[1]})


def _scaling_line(row: "ScalingRow") -> str:
    devices = counted(row.devices, "CPU device")
    return (
        f"batch {row.batch}, {row.size}x{row.size}, width {row.width:g}, {devices}: "
        f"{row.seconds_per_step:.3f} s a step, {row.time:.3f} times the first, "
        f"peak {row.peak_memory_mb:.0f} MB, {row.added_mb:.0f} of it by the step"
    )


@command.command()
@click.option(
    "--images", type=int, default=4, show_default=True, help="Number of images in a batch."
)
@click.option("--classes", type=int, default=21, show_default=True, help="Number of classes.")
@click.option(
    "--size", type=int, default=63, show_default=True, help="Side of the score maps in cells."
)
@click.option(
    "--network",
    help="Also time a training step of this segmentation network, on crops that give such score "
    "maps, and tell which part of it the loss takes.",
)
@width_option
@_repetitions(50)
@device_options
@json_option
@gather("devices", Devices)
def loss(
    images: int,
    classes: int,
    size: int,
    network: Optional[str],
    width: float,
    repetitions: int,
    devices: Devices,
    as_json: bool,
) -> None:
    """Compare the bootstrapped loss and its gradient with plain NumPy, on one device.

    It is also compared with MXNet's SoftmaxOutput, which counts all labels.
    """
    context = _one_device(devices)
    from rnw.bench.loss import bench_loss  # starts MXNet

    how: Dict[str, Any] = {"network": network, "width": width, "repetitions": repetitions}
    result = bench_loss(images, classes, size, context, **how)
    if as_json:
        print_json(result._asdict())
        return
    click.echo(f"scores ({images}, {classes}, {size}, {size}), {context}, forward and backward:")
    click.echo(f"numpy {result.yardstick:.2f} ms, ours {result.ours:.2f} ms")
    click.echo(f"ratio {result.ratio:.2f}, {result.difference:.1e} apart")
    click.echo(
        f"SoftmaxOutput without bootstrapping {result.softmax:.2f} ms, "
        f"ours takes {result.softmax_ratio:.2f} times as long"
    )
    if result.share is not None:
        click.echo(
            f"a training step of {network} {result.step:.0f} ms, "
            f"of which the loss takes {result.share:.3%}"
        )


@command.command()
@click.option(
    "--images", type=int, default=64, show_default=True, help="Number of JPEG files to read."
)
@click.option(
    "--size", type=int, default=224, show_default=True, help="Side of the images in pixels."
)
@_repetitions(5)
@json_option
def data(images: int, size: int, repetitions: int, as_json: bool) -> None:
    """Compare decoding and augmentation on one core, and loading in one and two processes.

    The reference is a plain transcription of the transform of the paper's released code.
    """
    from rnw.bench.data import bench_data  # needs an extra

    result = bench_data(images, size, repetitions=repetitions)
    if as_json:
        print_json(result._asdict())
        return
    same = "the same arrays" if result.identical else "OTHER ARRAYS"
    click.echo(f"{images} JPEGs of 500x375, augmented to {size}x{size}, images/s on one core:")
    click.echo(f"plain transcription {result.yardstick:.0f}")
    click.echo(f"pillow {result.reference:.0f}, ratio {result.reference_ratio:.2f}, {same}")
    click.echo(
        f"opencv {result.fast:.0f}, ratio {result.fast_ratio:.2f}, {result.difference:.2f} gray "
        "levels away on average"
    )
    if result.loader is not None:
        one, two, apart = result.loader
        click.echo(
            f"loader {one:.0f} images/s with one process, {two:.0f} with two, "
            f"ratio {result.scaling:.2f}"
        )
        click.echo(f"two loaders of one process at once {apart:.0f}, ratio {result.kept:.2f}")


@command.command()
@click.option(
    "--images", type=int, default=64, show_default=True, help="Number of JPEG files to read."
)
@click.option(
    "--size", type=int, default=224, show_default=True, help="Side of the images in pixels."
)
@click.option(
    "--gpu-rate",
    type=float,
    metavar="X",
    help="Images/s that one GPU trains on, to tell how many cores feed such GPUs.",
)
@click.option("--gpus", type=int, default=4, show_default=True, help="Number of such GPUs.")
@_repetitions(5)
@json_option
def reading(
    images: int, size: int, gpu_rate: Optional[float], gpus: int, repetitions: int, as_json: bool
) -> None:
    """Compare reading pictures for training with torchvision, where that is installed.

    The loader is timed with one process, with two, and so on up to one for each core.
    """
    from rnw.bench.reading import bench_reading  # needs an extra

    result = bench_reading(images, size, gpus=gpus, gpu_rate=gpu_rate, repetitions=repetitions)
    if as_json:
        print_json(result._asdict())
        return
    click.echo(f"{images} JPEGs of 500x375, augmented to {size}x{size}, images/s on one core:")
    for name, rate in result.core.items():
        click.echo(f"{name} {rate:.0f}")
    if result.ratio is not None:
        click.echo(f"ratio to the best of the others {result.ratio:.2f}")
    rates = (f"{rate:.0f} with {count}" for count, rate in result.processes.items())
    click.echo("images/s by the number of processes: " + ", ".join(rates))
    if result.scaling is not None:
        click.echo(f"two processes read {result.scaling:.2f} times as much as one")
    if result.cores is not None:
        click.echo(f"{gpus} GPUs of {gpu_rate:g} images/s each: {result.cores} cores feed them")


@command.command()
@click.option(
    "--only",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="Measure only this row: model_a for the speed of a classifier, fcn_a for the memory of a "
    "segmentation network (may be repeated).",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Number of images in a batch when speed is measured.",
)
@click.option(
    "--crops",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of crops in a training step when memory is measured.",
)
@click.option(
    "--size",
    type=click.IntRange(1),
    default=504,
    show_default=True,
    help="Side of these crops in pixels.",
)
@click.option(
    "--repetitions",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of speed measurements, of which the median counts.",
)
@device_options
@json_option
@gather("devices", Devices)
def table(
    networks: Tuple[str, ...],
    batch: int,
    crops: int,
    size: int,
    repetitions: int,
    devices: Devices,
    as_json: bool,
) -> None:
    """Compare the speed and memory of the paper's networks with those of ResNet-101.

    First the speed of the classifiers in Table 1, beside the ratio in the paper; then the memory
    that fine-tuning each fully convolutional network takes, as for Table 2, each measured in a
    process of its own. The paper's values of memory are not known here.
    """
    context = _one_device(devices)
    from rnw.reports.cost_tables import (  # starts MXNet
        compare_memory,
        compare_speeds,
        split_names,
    )

    timed, tuned = split_names(networks)
    speeds = compare_speeds(
        context,
        networks=timed,
        batch=batch,
        repetitions=repetitions,
        on_row=lambda row: click.echo(_speed_line(row), err=as_json),
    )
    memories = compare_memory(
        context,
        networks=tuned,
        crops=crops,
        size=size,
        on_row=lambda row: click.echo(f"{row} (paper: -)", err=as_json),
    )
    if as_json:
        rows, memory = ([row._asdict() for row in found] for found in (speeds, memories))
        print_json({"rows": rows, "memory": memory})


def _speed_line(row: "SpeedRow") -> str:
    paper = f"{row.published_ratio:.2f}" if row.published_ratio else "-"
    speed = f"{row.images_per_second:.2f} images/s at {row.size}"
    return f"{row.title}: {speed}, {row.ratio:.2f} times ResNet-101's (paper: {paper})"


@command.command("seg-eval")
@_repetitions(5)
@json_option
def seg_eval(repetitions: int, as_json: bool) -> None:
    """Compare labeling pictures from score maps with upsampling the scores by Pillow.

    The times are processor time, as on one core.
    """
    from rnw.bench.seg_eval import bench_scoring  # needs an extra

    rows = bench_scoring(repetitions=repetitions)
    if as_json:
        print_json({"cases": [row._asdict() for row in rows]})
        return
    for row in rows:
        click.echo(
            f"{row.height}x{row.width}, {row.classes} classes: labels {1000 * row.label:.0f} ms, "
            f"pillow {1000 * row.pillow:.0f} ms, ratio {row.ratio:.2f}, {row.other_labels} labels "
            f"differ; counting {1000 * row.score:.1f} ms"
        )


@command.command()
@click.option(
    "--size", type=int, default=500, show_default=True, help="Side of the picture in pixels."
)
@click.option("--classes", type=int, default=21, show_default=True, help="Number of classes.")
@_repetitions(3)
@json_option
def crf(size: int, classes: int, repetitions: int, as_json: bool) -> None:
    """Compare the CRF with and without numba, and with pydensecrf where that is installed.

    The times are processor time, as on one core.
    """
    from rnw.bench.crf import bench_crf  # needs an extra

    rows = bench_crf(size, classes, repetitions=repetitions)
    if as_json:
        print_json({"cases": [row._asdict() for row in rows]})
        return
    for row in rows:
        times = (("SciPy", row.sparse), ("numba", row.compiled), ("pydensecrf", row.pydensecrf))
        parts = [f"{name} {seconds:.2f} s" for name, seconds in times if seconds is not None]
        if row.ratio is not None and row.other_labels is not None:
            parts.append(f"ratio {row.ratio:.2f}, {100 * row.other_labels:.2f} % of labels differ")
        click.echo(f"{row.setting}, {size}x{size}, {classes} classes: " + ", ".join(parts))


@command.command("all")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Measure only this, such as inference or loss (may be repeated; an unknown name lists all "
    "of them).",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of times that each ratio is measured; the median counts, and half the distance of "
    "the quartiles is the noise.",
)
@width_option
@json_option
def all_goals(only: Tuple[str, ...], rounds: int, width: float, as_json: bool) -> None:
    """Measure all ratios that have a goal; the exit status is 1 where one is missed.

    A ratio misses its goal where it falls short by more than the noise of its measurement. What
    this machine cannot measure is listed, and counts as no missed goal. Goals are those of full
    networks: narrow ones, by --width, are measured sooner, but of their time more is not
    convolutions.
    """
    from rnw.bench.goals import measure_goals

    outcomes = []
    for outcome in measure_goals(only, rounds=rounds, width=width):
        outcomes.append(outcome)
        print_line(str(outcome), err=as_json)
    missed = sum(outcome.met is False for outcome in outcomes)
    if as_json:
        print_json({"ratios": [outcome._asdict() for outcome in outcomes], "missed": missed})
    if missed:
        raise SystemExit(1)
