"""The table of networks and the names it understands."""

import pytest

from rnw.errors import InputError
from rnw.networks.zoo import POOL, STRIDE, find_network, network_names

DEPTHS = {  # Table 1
    "model_a": 38,
    "model_a1": 38,
    "model_a2": 38,
    "model_b": 20,
    "model_c": 42,
    "model_d": 34,
    "model_e": 26,
    "model_f": 34,
    "224-0-1-1-1-1-1-1": 16,
}


def test_table_holds_the_papers_networks():
    assert {name: find_network(name).depth for name in network_names()} == DEPTHS


@pytest.mark.parametrize(
    ("name", "structure", "downsampling"),
    [
        ("model_a", "224-0-3-3-6-3-1-1", (POOL,) * 5),
        ("model_a1", "224-0-3-3-6-3-1-1", (STRIDE,) * 5),
        ("a2", "224-0-3-3-6-3-1-1", (POOL, POOL, STRIDE, STRIDE, STRIDE)),
        ("model_c", "112-1-1-1-1-13-1-1", (POOL, POOL, POOL, POOL, None)),
        ("model_f", "56-1-1-1-1-9-1-1", (POOL, POOL, POOL, None, None)),
        ("28-1-1-1-1-1-1-1", "28-1-1-1-1-1-1-1", (POOL, POOL, POOL, None, None)),
        ("160-2-1-1-1-4-2-3", "160-2-1-1-1-4-2-3", (POOL, POOL, POOL, POOL, None)),
        ("320-0-1-1-1-1-1-1", "320-0-1-1-1-1-1-1", (POOL,) * 5),
        ("32-0-1-1-1-1-1-1-a1", "32-0-1-1-1-1-1-1", (STRIDE, STRIDE, STRIDE, None, None)),
        ("112-0-1-1-1-1-1-1-a2", "112-0-1-1-1-1-1-1", (POOL, POOL, STRIDE, STRIDE, None)),
    ],
)
def test_structure_and_downsampling(name, structure, downsampling):
    spec = find_network(name)
    assert spec.structure == structure
    assert spec.downsampling == downsampling
    assert spec.stride == 2 ** sum(step is not None for step in downsampling)


@pytest.mark.parametrize(
    ("name", "wording"),
    [
        ("model_z", "unknown network 'model_z'"),
        ("resnet34", "unknown network"),
        ("", "unknown network"),
        ("224-0-3-3", "malformed network '224-0-3-3'"),
        ("224-0-3-3-6-3-1-1-1", "malformed network"),
        ("224-0-3-3-6-3-1-x", "malformed network"),
        ("224-0-3-3-6-3-1-1-a3", "malformed network"),
        ("224-0-3-0-6-3-1-1", "levels 2 to 7 need at least one"),
        ("4-1-1-1-1-1-1-1", "expected an input size of 8 to 8192"),
        ("224-0-1-1-1-9999-1-1", "at most 1024 units"),
    ],
)
def test_refuses_other_names(name, wording):
    with pytest.raises(InputError, match=wording):
        find_network(name)
