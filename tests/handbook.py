"""The example documents, as a client puts them into a system."""

from tests.ray_environment import ROOT


def load_handbook(client):
    """Loads the handbook into a store of that name by the official SDK; gives the store."""
    store = client.vector_stores.create(name="handbook")
    for path in sorted((ROOT / "examples" / "handbook").iterdir()):
        uploaded = client.files.create(file=path, purpose="assistants")
        client.vector_stores.files.create_and_poll(uploaded.id, vector_store_id=store.id)
    return store
