"""The studies of `make example-paper` are what the paper says of them. The whole of it is run by .ci/run."""

import pytest

from core.labs.experiments import designs, experiment
from docs.example_paper.__main__ import HERE


@pytest.mark.parametrize(("file", "recipes"), [("xquad.yaml", 40), ("python_reference.yaml", 16)])
def test_its_study_varies_chunkers_encoders_and_fusion(file, recipes):
    study = experiment.read(HERE / file)
    made = designs.points(study)
    assert len(made.settings) == recipes and not made.left_out
    assert {factor.stage for factor in study.factors} == {"chunking", "embedding", "fusion"}
    assert (study.choose_on, study.report_on) == ("dev", "test")
