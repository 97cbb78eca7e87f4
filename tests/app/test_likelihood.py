"""Whose likelihood of an answer is measured: the recipe's own model wherever torch can read it, by its name on screen."""

from app.ui.answers import likelihood
from core.config import TrialConfig, with_settings
from core.generation.torch_lm import Transformers


def test_the_model_whose_likelihood_is_measured_is_the_recipes_where_that_is_local():
    own = {"generation.model": "/models/own.gguf", "generation.adapter": "a:0.5,b:0.5", "generation.adapter_scale": 0.5}
    recipe = with_settings(TrialConfig(), own)
    measured = likelihood.mixing(recipe).generation
    assert (measured.part, measured.model) == ("transformers", "/models/own.gguf")
    assert (measured.adapter, measured.adapter_scale) == (recipe.generation.adapter, 0.5)
    assert likelihood.measured_by(recipe) == (
        f"own.gguf with {measured.adapter}, scale 0.5",
        "The engine llama.cpp cannot read passages side by side, so transformers reads its model.",
    )
    assert likelihood.mixing(TrialConfig()).generation.adapter == TrialConfig().generation.adapter
    torch = with_settings(TrialConfig(), {"generation.part": "transformers", "generation.model": "/models/folder"})
    assert likelihood.mixing(torch) is torch and likelihood.measured_by(torch) == ("folder", "")
    served = with_settings(TrialConfig(), {"generation.part": "openai_compatible", "generation.model": "llama3.2"})
    name, other = likelihood.measured_by(served)
    assert likelihood.mixing(served).generation == Transformers() and name == "SmolLM2-135M-Instruct (bundled)"
    assert (
        other
        == "The engine OpenAI-compatible cannot read passages side by side, so transformers reads another model than the one that answered."
    )
