"""Write the boards, or with `--check` fail and name each that is stale."""

import argparse
import sys
from pathlib import Path

from grafana.dashboards import bill, cost, loadtest, overview, red, requests, telemetry, use

GENERATED = Path(__file__).parent / "generated"
BOARDS = (overview, red, use, cost, bill, requests, telemetry, loadtest)


def boards() -> dict[Path, str]:
    """Return the JSON that each file of `generated/` should hold."""
    names = (board.__name__.rpartition(".")[2] for board in BOARDS)
    built = (board.build() for board in BOARDS)
    return {GENERATED / f"{name}.json": text for name, text in zip(names, built, strict=True)}


def stale() -> list[Path]:
    """Return the files that are missing, out of date, or no longer made by any board."""
    wanted = boards()
    wrong = [path for path, text in wanted.items() if not _holds(path, text)]
    return wrong + [path for path in sorted(GENERATED.glob("*.json")) if path not in wanted]


def write() -> None:
    """Write every board and remove the files that none makes any more."""
    for path in GENERATED.glob("*.json"):
        path.unlink()
    for path, text in boards().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.name}")


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main() -> int:
    """Return 0, or 1 when `--check` finds a stale board."""
    parser = argparse.ArgumentParser(prog="python -m grafana.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    if not parser.parse_args().check:
        write()
        return 0
    for path in (wrong := stale()):
        print(f"{path.name} is stale: run `python -m grafana.dashboards`", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
