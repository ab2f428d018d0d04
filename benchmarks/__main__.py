"""Run every benchmark, or those named: `python -m benchmarks [name ...]`.

`quality` takes minutes and renews files of the repository: it runs by name only (`make bench-quality`).
"""

import importlib
import pkgutil
import sys

import benchmarks


def main() -> None:
    names = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_")]
    unknown = set(sys.argv[1:]) - set(names)
    if unknown:
        sys.exit(f"no benchmark named {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    for name in sys.argv[1:] or [n for n in names if n != "quality"]:
        print(f"\n== {name}\n", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
