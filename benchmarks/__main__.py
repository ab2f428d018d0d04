"""Run every benchmark, or those named: `python -m benchmarks [name ...]`.

Those that take minutes or hours and renew files of the repository run by name only, or, where they are folders, by
their own target (`make bench-quality`, `make bench-speed` ...).
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
    "quality",
    "quality_full",
)
NOT_RUN = "longer_prompts"
"""What others import."""


def main() -> None:
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.ispkg]
    names = [name for name in found if not name.startswith("_") and name != NOT_RUN]
    unknown = set(sys.argv[1:]) - set(names)
    if unknown:
        sys.exit(f"no benchmark named {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    for name in sys.argv[1:] or [n for n in names if n not in BY_NAME]:
        print(f"\n== {name}\n", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
