"""The same services under the paths, shapes and errors of other servers."""
