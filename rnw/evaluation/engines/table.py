"""TABLE of the engines that compute networks for evaluation.

An engine makes a `Forward` of a network: a function from pictures (N, 3, H, W) float32 to the
probabilities of its classes, (N, classes) float32 or of a segmentation network
(N, classes, H/stride, W/stride) float32. All that is around it is the same for every engine.
"""

import contextlib
import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from rnw.errors import InputError, look_up
from rnw.memory import free_memory, on_gpus
from rnw.networks.layout import NetworkConfig
from rnw.runtime import INSTALL_CPU, INSTALL_GPU, INSTALL_ONNX, INSTALL_OPENVINO, make_contexts
from rnw.weights.precision import FLOAT32, PRECISIONS

if TYPE_CHECKING:
    import numpy as np  # which whoever names an engine need not import

Forward = Callable[["np.ndarray"], "np.ndarray"]
MXNET, ONNXRUNTIME, OPENVINO = "mxnet", "onnxruntime", "openvino"


@dataclass(frozen=True)
class Engine:
    """An engine, the packages that it needs, and the command that installs them.

    The module called as the engine in this folder has its functions.
    """

    name: str
    packages: Tuple[str, ...]
    remedy: str

    @property
    def installed(self) -> bool:
        """Whether the packages are there; none is imported."""
        return all(map(_is_there, self.packages))

    def open_devices(
        self,
        gpus: Optional[str] = None,
        cpus: Optional[int] = None,
        provider: Optional[str] = None,
    ) -> List[Any]:
        """Return the devices `gpus` ('0,1,2,3') or `cpus` CPU devices, in the engine's terms.

        By default that is one CPU device. provider: that of ONNX Runtime, by its name in
        `rnw.evaluation.engines.providers`. Raises InputError for devices that are missing or that
        the engine cannot use, and where it is not installed.
        """
        if self.name == ONNXRUNTIME:
            return self._module().open_devices(gpus, cpus, provider)
        if provider is not None:
            raise InputError(
                f"--provider {provider}: is of the engine {ONNXRUNTIME}, found --engine "
                f"{self.name}; leave out one of them"
            )
        if self.name == MXNET:  # which takes its threads before it is imported
            return make_contexts(gpus, cpus)
        return self._module().open_devices(gpus, cpus)

    def provider_of(self, devices: Sequence[Any]) -> str:
        """Return the name of the provider of devices of ONNX Runtime; empty for other engines."""
        return devices[0].provider.name if self.name == ONNXRUNTIME else ""

    def make_forward(
        self,
        config: NetworkConfig,
        parameters: "Mapping[str, np.ndarray]",
        devices: Sequence[Any],
        precision: str = FLOAT32,
        *,
        force: bool = False,
    ) -> Forward:
        """Return a network with these parameters as a function, on devices of `open_devices`.

        Several devices share the pictures of a batch. precision: what convolutions are computed in,
        one of `rnw.weights.precision.PRECISIONS`; pictures and probabilities stay float32. force:
        also where that is slower than float32.

        Raises InputError for a network that does not take RGB pictures, and for a precision that is
        unknown or that the engine does not compute in on these devices.
        """
        config.check_rgb()
        look_up(PRECISIONS, precision, "precision")
        make = self._module().make_forward
        return make(config, parameters, devices, precision, force=force)

    def free_memory(self, devices: Sequence[Any]) -> int:
        """Return the bytes that are free for the maps of each of `devices`, of `open_devices`.

        Raises InputError for devices whose memory is not known.
        """
        if self.name != MXNET:
            return self._module().free_memory(devices)
        sharing = 1 if on_gpus(devices) else len(devices)
        return free_memory(devices) // sharing

    def check_installed(self) -> None:
        """Raise InputError, which says what to install, where one of the packages is missing."""
        missing = [package for package in self.packages if not _is_there(package)]
        if missing:
            raise InputError(
                f"the engine {self.name} needs {missing[0]}, which is not installed: {self.remedy}"
            )

    def _module(self) -> Any:
        self.check_installed()
        return importlib.import_module(f"rnw.evaluation.engines.{self.name}")


def _is_there(package: str) -> bool:
    """Whether a package is installed; a folder of that name, which Python takes for one, is not."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


ENGINES: Dict[str, Engine] = {
    row.name: row
    for row in (
        Engine(MXNET, ("mxnet",), f"{INSTALL_CPU}, or for GPUs {INSTALL_GPU}"),
        Engine(ONNXRUNTIME, (ONNXRUNTIME, "onnx"), INSTALL_ONNX),
        Engine(OPENVINO, (OPENVINO, "onnx"), INSTALL_OPENVINO),
    )
}


def find_engine(name: Optional[str] = None) -> Engine:
    """Return an engine by name, by default the first of the table that is installed.

    Where none is installed, that is MXNet, whose devices then say what to install. Raises
    InputError for an unknown name.
    """
    if name is not None:
        return look_up(ENGINES, name, "engine")
    return next((engine for engine in ENGINES.values() if engine.installed), ENGINES[MXNET])


def open_engine(
    name: Optional[str] = None,
    gpus: Optional[str] = None,
    cpus: Optional[int] = None,
    provider: Optional[str] = None,
) -> Tuple[Engine, List[Any]]:
    """Return an engine by name, and the devices that it has opened (see `Engine.open_devices`).

    By default that is the first of the table that is installed and computes on these devices; with
    a `provider` it is ONNX Runtime. Raises InputError for an unknown name, and as the first engine
    where none can be used.
    """
    if name is not None or provider is not None or gpus is None:
        engine = find_engine(name or (ONNXRUNTIME if provider else None))
        return engine, engine.open_devices(gpus, cpus, provider)
    first = find_engine()
    try:
        return first, first.open_devices(gpus, cpus)
    except InputError:
        for engine in ENGINES.values():
            if engine is not first and engine.installed:
                with contextlib.suppress(InputError):
                    return engine, engine.open_devices(gpus, cpus)
        raise
