"""`python -m cluster.observe`: writes `dashboards/` and `rules.yml` from the tables beside it."""

from cluster.observe.written import files


def main() -> None:
    """Writes every file that has changed."""
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    main()
