"""The paper's numbers against what the networks and the released files say."""

import pytest

from rnw.evaluation.classification.baselines import BASELINES
from rnw.networks.zoo import find_network, network_names
from rnw.reports.published import README, TABLE_1
from rnw.weights.released import RELEASED

OURS = [row for row in TABLE_1 if row.network and row.network not in BASELINES]


@pytest.mark.parametrize("row", OURS, ids=lambda row: row.network)
def test_rows_are_of_networks_of_the_paper(row):
    spec = find_network(row.network)
    assert row.depth == spec.depth
    assert row.network in network_names()
    assert row.network == "model_a1" or row.title.endswith(spec.structure)


def test_all_baselines_have_a_row():
    assert [row.network for row in TABLE_1 if row.network in BASELINES] == list(BASELINES)


def test_released_files_have_the_published_errors():
    sourced = {row.network: row for row in TABLE_1 if row.errors_source == README}
    assert sorted(sourced) == ["model_a", "model_a1"]
    for name, row in sourced.items():
        scores = dict(RELEASED[f"ilsvrc-cls_rna-{name[6:]}_cls1000_ep-0001.params"].scores)
        assert scores == {"top-1 error": row.top1_error, "top-5 error": row.top5_error}
