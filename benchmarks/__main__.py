"""`make bench`: all benchmarks, or those named on the command line, into `benchmarks/results.json`."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import alert_storm, conversations, dead_man, hundred_jobs, idle, import_export, mongo_sync, run_figures
from benchmarks.figures import Figure

BENCHMARKS: Mapping[str, Callable[[], Iterable[Figure]]] = {
    "idle": idle.measure,
    "hundred_jobs": hundred_jobs.measure,
    "import_export": import_export.measure,
    "conversations": conversations.measure,
    "mongo_sync": mongo_sync.measure,
    "runs": run_figures.measure,
    "alerts": alert_storm.measure,
    "dead_man": dead_man.measure,
}
RESULTS = Path(__file__).with_name("results.json")


def main(chosen: Sequence[str]) -> int:
    """Measure and write; figures of benchmarks that were not chosen stay as they were."""
    unknown = set(chosen) - set(BENCHMARKS)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in chosen or BENCHMARKS:
        for figure in BENCHMARKS[name]():
            results[figure.name] = figure.as_json()
            low, high = min(figure.samples), max(figure.samples)
            print(
                f"{figure.name:45} {figure.value:10.3f} {figure.unit:6} ({low:.3f} to {high:.3f})  {figure.durability}",
                flush=True,
            )
            RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
