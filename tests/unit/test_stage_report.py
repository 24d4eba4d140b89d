from __future__ import annotations

import pandas as pd

from promptreg.stages.extremes import INDEX
from promptreg.stages.report import _figures


def test_a_group_that_is_called_by_a_number_keeps_its_zeros(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "000.pdf").write_bytes(b"%PDF")
    columns = {"file": ["000.pdf"], "group": ["007"], "method": ["identity"], "measure": ["Dice"], "n": [3]}
    pd.DataFrame(columns).to_csv(folder / INDEX, index=False)
    (figure,) = _figures([str(folder)], "pdf", {})
    assert figure.title == "d, 007: worst, median and best of identity"
