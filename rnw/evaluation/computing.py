"""What computes networks, which results and records of kept predictions name."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Dict, Mapping, Sequence

from rnw.evaluation.engines.table import MXNET, Forward, find_engine
from rnw.networks.layout import NetworkConfig
from rnw.weights.precision import FLOAT32

if TYPE_CHECKING:
    import numpy as np  # which whoever names an engine need not import


@dataclass(frozen=True)
class Computing:
    """What computes networks: an engine, in which numbers, and by which provider of ONNX Runtime.

    engine: its name (see `rnw.evaluation.engines.table`). precision: what convolutions are computed
    in (see `rnw.weights.precision`). force: compute also where that is slower than float32, which
    changes no result. provider: its name (see `rnw.evaluation.engines.providers`); empty for other
    engines, and where an older record does not tell it.

    The defaults are the reference, by which the others are measured.
    """

    engine: str = MXNET
    precision: str = FLOAT32
    force: bool = False
    provider: str = ""

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Computing":
        """Return what a record tells; one that tells nothing is of the reference."""
        engine, precision = record.get("engine", MXNET), record.get("precision", FLOAT32)
        return cls(str(engine), str(precision), provider=str(record.get("provider", "")))

    @property
    def record(self) -> Dict[str, str]:
        """What a record says: nothing of the reference, as before there were others."""
        reference = REFERENCE.as_dict()
        return {key: name for key, name in self.as_dict().items() if name != reference[key]}

    @property
    def note(self) -> str:
        """A line that names them; empty for the reference."""
        if not self.record:
            return ""
        by = f"{self.engine} ({self.provider})" if self.provider else self.engine
        return f"computed by {by}" + ("" if self.precision == FLOAT32 else f" in {self.precision}")

    def as_dict(self) -> Dict[str, Any]:
        """Return everything that results depend on; the provider is None where there is none."""
        provider = self.provider or None
        return {"engine": self.engine, "precision": self.precision, "provider": provider}

    def on(self, devices: Sequence[Any]) -> "Computing":
        """Return the same with the provider of devices that the engine has opened."""
        return replace(self, provider=find_engine(self.engine).provider_of(devices))

    def make_forward(
        self,
        config: NetworkConfig,
        parameters: "Mapping[str, np.ndarray]",
        devices: Sequence[Any],
    ) -> Forward:
        """Return a network with these parameters as a function (see `Engine.make_forward`)."""
        engine = find_engine(self.engine)
        return engine.make_forward(config, parameters, devices, self.precision, force=self.force)


REFERENCE = Computing()
