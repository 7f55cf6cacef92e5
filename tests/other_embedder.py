"""A second embedder, made from the bundled one: another model to everybody, and quickly there."""

import json
import shutil

from models.bundled.prepare import minilm_folder


def make_other_embedder(folder, num_layers=5):
    """Copies MiniLM without its last layers; gives the folder, which is a model id."""
    shutil.copytree(minilm_folder(), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": num_layers}))
    return str(folder)
