import pytest
from published_layouts import write_learn2reg, write_learn2reg_unpaired

from promptreg.datasets.learn2reg import Learn2Reg
from promptreg.disclosure import has_seen
from promptreg.registry import MODELS


@pytest.mark.parametrize(
    ("write", "source"), [(write_learn2reg_unpaired, "MSD"), (write_learn2reg, "LungCT")]
)
def test_pairs_name_the_data_set_that_a_tasks_images_come_from(tmp_path, write, source):
    write(tmp_path)
    assert {pair.source for pair in Learn2Reg(str(tmp_path)).pairs()} == {source}


def test_networks_that_have_seen_that_data_set_are_known(tmp_path):
    write_learn2reg_unpaired(tmp_path)
    source = Learn2Reg(str(tmp_path)).pairs()[0].source
    assert has_seen(MODELS["segvol"], source)
    assert not has_seen(MODELS["sam_vit_b"], source)
