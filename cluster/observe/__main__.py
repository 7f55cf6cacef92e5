"""`python -m cluster.observe`: writes what the tables beside it say.

That is `dashboards/` and `rules.yml` here, and the runbook, `docs/runbook.md`.
"""

from cluster.observe.written import files


def main() -> None:
    """Writes every file that has changed."""
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    main()
