"""Training in bfloat16, in a process of its own where oneDNN may use more instructions."""

import json

import pytest

from rnw import instructions
from rnw.errors import InputError
from rnw.training.options import Options
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from tests.weights.test_precision import run

pytestmark = pytest.mark.skipif(
    instructions.EMULATION_FLAG not in instructions.cpu_flags(),
    reason="this CPU cannot compute in bfloat16",
)

# Prints, for steps in bfloat16 that keep all maps and that compute them again, the cosine between
# their change of all weights and that of a step in float32, and whether both are the same; then
# the files of a run that was stopped and resumed and differ from those of one that never was.
PROGRAM = """
import json, sys, rnw
from pathlib import Path
import mxnet as mx, numpy as np
from rnw.networks.classifier import get_network
from rnw.training.initializers import initialize
from rnw.training.optimizers import make_optimizer
from rnw.training.schedules import make_schedule
from rnw.training.trainer import Trainer, trained_parameters

def change(precision, recompute=False):
    net = get_network("fcn_56-0-1-1-1-1-1-1", 4, width=1 / 16, head="ohem")
    initialize(net, [mx.cpu(0), mx.cpu(1)], np.random.RandomState(0))
    net.compute_in(precision)
    parameters = trained_parameters(net)
    schedule = make_schedule("fixed", 0.01, 1)
    settings = {"momentum": 0.9, "weight_decay": 0.0, "rescale": 0.5, "schedule": schedule}
    optimizer = make_optimizer("sgd", parameters, **settings)
    trainer = Trainer(net, [mx.cpu(0), mx.cpu(1)], optimizer, recompute=recompute)
    before = [p.data(mx.cpu(1)).asnumpy() for p in parameters]
    random = np.random.RandomState(1)
    labels = random.randint(0, 4, (4, 8, 8))
    outputs = trainer.step(random.standard_normal((4, 3, 64, 64)), labels)
    assert {output.probabilities.dtype for output in outputs} == {np.float32}
    after = [p.data(mx.cpu(1)).asnumpy() for p in parameters]
    return np.concatenate([(a - b).ravel() for a, b in zip(after, before)])

exact, low, again = change("float32"), change("bfloat16"), change("bfloat16", True)
cosine = float(exact @ low / np.linalg.norm(exact) / np.linalg.norm(low))

from rnw.data.loader import Loading
from rnw.evaluation.classification.validate import make_validator
from rnw.training.options import Options, Validation
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from rnw.training.signals import RunStoppedError
from tests.training.observers import stop_after

recipe = find_recipe("digits", ["epochs=2", "width=0.03125", "batch=480", "precision=bfloat16"])
validation = Validation(make_validator("digits", [mx.cpu()]), every=2)
options = Options(loading=Loading(workers=0), validation=validation, force_precision=True)
whole, stopped = Path("whole"), Path("stopped")
train(recipe, [mx.cpu()], whole, options=options)
try:
    train(recipe, [mx.cpu()], stopped, options=options, observer=stop_after(3))
except RunStoppedError:
    train(recipe, [mx.cpu()], stopped, options=options, resume=True)
files = [p.name for p in whole.iterdir() if p.suffix not in (".log", ".jsonl")]
differing = [f for f in files if (whole / f).read_bytes() != (stopped / f).read_bytes()]
print(json.dumps([cosine, bool((low == again).all()), len(files), differing]))
"""


@pytest.mark.slow
def test_steps_and_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cosine, same, files, differing = json.loads(run("-c", PROGRAM).splitlines()[-1])
    assert 0.9 < cosine < 1
    assert same
    assert files >= 4
    assert differing == []
    saved = json.loads((tmp_path / "whole" / "digits_rna-28-1-1-1-1-1-1-1_cls10.json").read_text())
    assert saved["precision"] == "bfloat16"


@pytest.mark.parametrize(
    ("precision", "wording"),
    [("float16", "is for GPUs"), ("bfloat16", "this CPU cannot compute in it")],
)
def test_refused_before_anything_is_written(tmp_path, precision, wording):
    import mxnet as mx

    recipe = find_recipe("digits", [f"precision={precision}"])
    with pytest.raises(InputError, match=wording):
        train(recipe, [mx.cpu()], tmp_path / "run", options=Options(force_precision=True))
    assert list(tmp_path.iterdir()) == []
