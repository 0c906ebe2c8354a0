"""`rnw bench inference`: speed of a network by each engine."""

from typing import TYPE_CHECKING, Any, Dict, Optional

import click

from rnw.cli.bench.options import make_workload, one_device, repetitions_option, size_option
from rnw.cli.common import (
    EngineDevices,
    engine_options,
    gather,
    json_option,
    print_json,
    width_option,
)
from rnw.evaluation.engines.table import MXNET, find_engine
from rnw.networks.layout import configure

if TYPE_CHECKING:
    from rnw.bench.inference import InferenceSpeed
    from rnw.bench.peers import Comparison


@click.command()
@click.argument("network")
@click.option(
    "--batch", type=int, default=8, show_default=True, help="Number of images in a batch."
)
@size_option
@repetitions_option(5)
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
def command(
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

        work = make_workload(configure(network, width=width), batch, size, devices)
        asked: Dict[str, Any] = {"engine": devices.engine, "precision": devices.precision}
        found = compare_peers(work, peers=peers, repetitions=repetitions, **asked)
        print_json(found.as_dict()) if as_json else _show_peers(found)
        return
    context = one_device(devices)
    from rnw.bench.inference import bench_inference  # starts MXNet

    how: Dict[str, Any] = {"precision": devices.precision, "force": devices.force_precision}
    how.update(repetitions=repetitions, width=width)
    result = bench_inference(network, batch, size, context, **how)
    print_json(result._asdict()) if as_json else _show_inference(result, context)


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
