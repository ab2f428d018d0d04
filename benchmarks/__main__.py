"""Run every benchmark, or those named: `python -m benchmarks [name ...]`.

Those that take minutes or hours and renew files of the repository run by name only (`make bench-quality` ...).
"""

import importlib
import pkgutil
import sys

import benchmarks

BY_NAME = (
    "ablation",
    "analyst_verdicts",
    "exchange_probability",
    "further_hour",
    "peers",
    "quality",
    "quality_full",
)


def main() -> None:
    names = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_")]
    unknown = set(sys.argv[1:]) - set(names)
    if unknown:
        sys.exit(f"no benchmark named {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    for name in sys.argv[1:] or [n for n in names if n not in BY_NAME]:
        print(f"\n== {name}\n", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
