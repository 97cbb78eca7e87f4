"""Models written to be read. Their modules import torch, so nothing imports them before they are used."""
