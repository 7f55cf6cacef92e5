"""What a repository of the Hugging Face hub holds at a commit."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from models.errors import ModelNotFoundError, UnsafeModelError

# Pickles run code when they are loaded (CWE-502), so these never leave the hub.
_SAFE_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "tokenizer*")


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file at a commit.

    Attributes:
        name: its path in the repository.
        num_bytes: its size.
        sha256: of its content, for large files; None for small ones.
        git_sha1: of small files, as git names their content.
    """

    name: str
    num_bytes: int
    sha256: str | None
    git_sha1: str | None


def safe_files(model: str, revision: str) -> tuple[RemoteFile, ...]:
    """Lists the files of a repository that may be loaded.

    Args:
        model: org/name.
        revision: the commit.

    Raises:
        ModelNotFoundError: the hub does not answer, is not to be asked, or has no such commit.
        UnsafeModelError: a file would lie outside of the folder, or the weights are GGUF.
    """
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # a lazy facade
        filter_repo_objects,
    )

    try:
        info = HfApi().model_info(model, revision=revision, files_metadata=True, timeout=30)
    except OfflineModeIsEnabled as err:
        msg = f"{model} at {revision} is not on this machine, and HF_HUB_OFFLINE is set"
        raise ModelNotFoundError(msg) from err
    except (HfHubHTTPError, HTTPError, OSError) as err:
        msg = f"cannot fetch {model} at {revision}: {err}"
        raise ModelNotFoundError(msg) from err
    siblings = info.siblings or []
    listed = [one.rfilename for one in siblings]
    names = set(filter_repo_objects(listed, allow_patterns=list(_SAFE_FILES)))
    found = [one for one in siblings if one.rfilename in names]
    _refuse_foreign_paths(names)
    if any(one.endswith(".gguf") for one in listed) and not any(map(_is_weights, listed)):
        msg = f"{model} has GGUF weights, which are not served: take .safetensors"
        raise UnsafeModelError(msg)
    return tuple(
        RemoteFile(
            name=one.rfilename,
            num_bytes=int(one.size or 0),
            sha256=one.lfs.sha256 if one.lfs else None,
            git_sha1=None if one.lfs else one.blob_id,
        )
        for one in sorted(found, key=lambda one: one.rfilename)
    )


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors")


def _refuse_foreign_paths(names: Iterable[str]) -> None:
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            msg = f"the repository holds {name!r}, which lies outside of its folder"
            raise UnsafeModelError(msg)
