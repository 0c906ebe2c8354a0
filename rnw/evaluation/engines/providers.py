"""TABLE of the providers by which ONNX Runtime computes; importing it starts no library."""

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Sequence, Tuple

from rnw.errors import InputError, look_up
from rnw.runtime import INSTALL_ONNX, INSTALL_ONNX_DIRECTML, INSTALL_ONNX_GPU

REPLACE = "pip uninstall onnxruntime, then"  # two builds of ONNX Runtime overwrite each other


@dataclass(frozen=True)
class Provider:
    """A provider: its name here and in ONNX Runtime, and how to get one.

    kind: of what `--gpus` and `--cpus` count, 'gpu' or 'cpu'; empty where the provider chooses the
        device. options: those that it always gets. beside: the provider, by ONNX Runtime's name, of
        operators that it lacks, if that is not the CPU.
    """

    name: str
    title: str
    remedy: str
    kind: str = "gpu"
    options: Dict[str, Any] = field(default_factory=dict)
    beside: Tuple[str, ...] = ()

    def check_devices(self, gpus: Optional[str], cpus: Optional[int]) -> None:
        """Raise InputError for `--gpus` and `--cpus` that it does not compute on."""
        if gpus is not None and self.kind != "gpu":
            raise InputError(f"--provider {self.name}: has no GPUs by number; leave out --gpus")
        if cpus is not None and self.kind != "cpu":
            raise InputError(f"--provider {self.name}: has no CPU devices; leave out --cpus")


CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
PROVIDERS: Dict[str, Provider] = {
    row.name: row
    for row in (
        Provider("cpu", CPU, INSTALL_ONNX, kind="cpu"),
        Provider("cuda", CUDA, f"for GPUs of NVIDIA {REPLACE} {INSTALL_ONNX_GPU}"),
        Provider(
            "tensorrt",
            "TensorrtExecutionProvider",
            f"for GPUs of NVIDIA {REPLACE} {INSTALL_ONNX_GPU}, and install TensorRT",
            beside=(CUDA,),
        ),
        Provider(
            "rocm",
            "ROCMExecutionProvider",
            f"for GPUs of AMD {REPLACE} install a build of ONNX Runtime for ROCm",
        ),
        Provider(
            "directml",
            "DmlExecutionProvider",
            f"for GPUs on Windows {REPLACE} {INSTALL_ONNX_DIRECTML}",
        ),
        Provider(
            "coreml",
            "CoreMLExecutionProvider",
            f"it is for Macs, where it comes with {INSTALL_ONNX}",
            kind="",
            options={"ModelFormat": "MLProgram"},  # the other one computes in float16 unasked
        ),
    )
}
OF_GPUS = ("cuda", "rocm", "directml")  # `--gpus` alone takes the first that there is


def choose_provider(name: Optional[str], gpus: Optional[str], available: Sequence[str]) -> Provider:
    """Return the provider that is asked for, by default one of GPUs or the CPU as `gpus` asks.

    available: those of the installed ONNX Runtime, by its names.

    Raises InputError for an unknown provider, and for one that is not available.
    """
    if name is not None:
        chosen = look_up(PROVIDERS, name, "provider")
        if chosen.title not in available:
            raise InputError(
                f"--provider {name}: the installed ONNX Runtime does not have it; {chosen.remedy}"
            )
        return chosen
    if gpus is None:
        return PROVIDERS["cpu"]
    rows = [PROVIDERS[name] for name in OF_GPUS]
    found = next((row for row in rows if row.title in available), None)
    if found is None:
        raise InputError(
            f"--gpus {gpus}: the installed ONNX Runtime has no provider for GPUs: leave out "
            f"--gpus, or for NVIDIA's {REPLACE} {INSTALL_ONNX_GPU}"
        )
    return found
