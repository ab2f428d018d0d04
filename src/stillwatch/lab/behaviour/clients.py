"""What software asks: user agents, TLS fingerprints, and the settings that a program fixes once.

The shares of browsers and of their versions, and how many TLS fingerprints the builds of one TLS library
show, follow real tables (lab/networks). Names and fingerprints are ours, as are the share of the apps and the
1/rank law of the developers' programs, for which there is no table. A few user agents and fingerprints are
shared by thousands of accounts and say nothing about any two of them.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stillwatch.lab.behaviour.clocks import Floats, Ints
from stillwatch.lab.networks import shapes

_HEX = "0123456789abcdef"
_BUILDS = 3  # of a TLS library that is in no table
_NEXT_BUILD = 0.4  # how much rarer each further build is


@dataclass(frozen=True)
class _Program:
    """A program: its user agents from the newest version on, with shares, and the head of its TLS fingerprint.

    The first agent is released during the world's time and nobody starts with it.
    """

    agents: tuple[str, ...]
    shares: tuple[float, ...]
    head: str


# What a browser calls itself on a system, and its versions, the coming one first.
_SYSTEMS = {
    "windows": "Windows NT 10.0; Win64; x64",
    "macos": "Macintosh; Intel Mac OS X 10_15_7",
    "linux": "X11; Linux x86_64",
    "ios": "iPhone; CPU iPhone OS 18_7 like Mac OS X",
    "android": "Linux; Android 10; K",
}
_NAMES = {
    "chrome": "Chrome/{0}.0.0.0",
    "edge": "Chrome/{0}.0.0.0 Edg/{0}.0.0.0",
    "firefox": "Firefox/{0}.0",
    "safari": "Version/{0} Safari",
}
_SAFARI = ("26.6", "26.5", "26.4", "26.3", "26.2", "26.1", "18.6")
_NEWEST = {"chrome": 150, "edge": 150, "firefox": 151}
_HEADS = {"chrome": "t13d1516h2", "edge": "t13d1516h2", "firefox": "t13d1715h2", "safari": "t13d2014h2"}
# Which entry of the real counts of fingerprints tells how many builds a head has.
_STACKS = {
    "t13d1516h2": "chromium",
    "t13d1715h2": "firefox",
    "t13d2014h2": "safari",
    "t13d2013h2": "safari",
    "t13d1812h1": "python",
    "t13d5911h1": "node",
    "t13d1311h2": "go",
    "t13d3812h1": "java",
    "t13d3112h2": "curl",
}
_APP_SHARE = 0.15
_APPS = (
    _Program(
        ("ChatApp/Android/3.44.1", "ChatApp/Android/3.43.0", "ChatApp/Android/3.42.2"),
        (0.0, 0.7, 0.3),
        "t13d1312h2",
    ),
    _Program(
        ("ChatApp/iOS/3.43.0", "ChatApp/iOS/3.42.0", "ChatApp/iOS/3.41.0"), (0.0, 0.8, 0.2), "t13d2013h2"
    ),
)


def _even(name: str, versions: tuple[str, ...], head: str) -> _Program:
    """A program of developers: half of them on the current version, each older one half as common."""
    shares = [0.0, *(0.5**age for age in range(len(versions) - 1))]
    return _Program(tuple(f"{name}/{v}" for v in versions), tuple(s / sum(shares) for s in shares), head)


_SDKS = (
    _even("llm-sdk-python", ("1.68.0", "1.66.2", "1.64.0", "1.62.1", "1.61.0"), "t13d1812h1"),
    _even("llm-sdk-node", ("4.84.0", "4.82.0", "4.80.1", "4.77.0"), "t13d5911h1"),
    _even("python-httpx", ("0.28.2", "0.28.1", "0.27.2"), "t13d1812h1"),
    _even("chainkit-python", ("0.4.1", "0.4.0", "0.3.14", "0.3.12"), "t13d1812h1"),
    _Program(("Go-http-client/2.0", "Go-http-client/2.0"), (0.0, 1.0), "t13d1311h2"),
    _even("llm-sdk-java", ("0.34.0", "0.33.0", "0.31.0"), "t13d3812h1"),
    _even("modelproxy", ("1.75.0", "1.74.1", "1.72.0", "1.71.4"), "t13d1812h1"),
    _even("axios", ("1.10.0", "1.9.0", "1.8.4"), "t13d5911h1"),
    _even("curl", ("8.13.0", "8.12.1", "8.5.0"), "t13d3112h2"),
    _even("reqwest", ("0.12.18", "0.12.15", "0.12.9"), "t13d1011h2"),
)
# Settings that tutorials suggest; the first is the default.
_TEMPERATURES, _TEMPERATURE_WEIGHTS = (None, 0.0, 0.2, 0.7, 1.0), (0.42, 0.18, 0.08, 0.2, 0.12)
_LIMITS, _LIMIT_WEIGHTS = (None, 512, 1024, 2048, 4096, 8192), (0.4, 0.07, 0.17, 0.13, 0.15, 0.08)


@dataclass(frozen=True)
class Software:
    """One program as one account runs it.

    Attributes:
        agents: user agents before and after an update, at least one.
        ja4: TLS fingerprint.
        temperature: sampling temperature that it sends; None where it leaves the default.
        max_output_tokens: limit that it sends; None where it leaves the default.
        stream: whether it streams.
        sessions: whether it names its conversations.
        operation: chat or completion or batch.
    """

    agents: tuple[str, ...]
    ja4: str
    temperature: float | None
    max_output_tokens: int | None
    stream: bool
    sessions: bool
    operation: str = "chat"


@dataclass(frozen=True)
class _Shelf:
    """Programs of one kind with their shares, and the running sums of all their versions' shares."""

    programs: tuple[_Program, ...]
    shares: Floats

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Programs and their versions."""
        program = rng.choice(len(self.programs), count, p=self.shares / self.shares.sum())
        versions = np.zeros((len(self.programs), max(len(p.shares) for p in self.programs)))
        for number, each in enumerate(self.programs):
            versions[number, : len(each.shares)] = each.shares
        reached = np.cumsum(versions, axis=1)
        draws = rng.random(count) * reached[program, -1]
        # The version whose share holds the draw; a share of 0 holds none.
        return program, (reached[program] <= draws[:, None]).sum(axis=1)


class Catalogue:
    """The programs of one world. Fingerprints are drawn for each world in JA4's form.

    Equal programs are one object, however often they are drawn, so that a table of accounts can share them.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._salt = int(rng.integers(0, 1 << 62))
        self._ja4: dict[str, list[str]] = {}
        self._known: dict[Software, Software] = {}
        self._browsers = _browser_shelf()
        self._sdks = _Shelf(_SDKS, 1 / np.arange(1, len(_SDKS) + 1))

    def browser(self, rng: np.random.Generator) -> Software:
        """A person's browser or app."""
        return self.browsers(1, rng)[0]

    def browsers(self, count: int, rng: np.random.Generator) -> list[Software]:
        """The browsers or apps of `count` people."""
        return self._shared(self._drawn(self._browsers, count, rng), self._browser)

    def sdk(self, rng: np.random.Generator) -> Software:
        """A developer's program; its settings are those that tutorials suggest."""
        return self.sdks(1, rng)[0]

    def sdks(self, count: int, rng: np.random.Generator) -> list[Software]:
        """The programs of `count` developers, each with settings of its own."""
        settings = [
            rng.choice(len(_TEMPERATURES), count, p=_TEMPERATURE_WEIGHTS),
            rng.choice(len(_LIMITS), count, p=_LIMIT_WEIGHTS),
            (rng.random(count) < 0.35).astype(np.int64),
            (rng.random(count) < 0.12).astype(np.int64),
            (rng.random(count) < 0.04).astype(np.int64),
        ]
        return self._shared([*self._drawn(self._sdks, count, rng), *settings], self._sdk)

    def common(self, rng: np.random.Generator, kind: str = "sdk") -> Software:
        """The most common program of a kind (sdk or browser) in its most common build, with usual settings.

        So many have it that it says nothing about anyone. Only the version is drawn, as its users have it.

        Raises:
            ValueError: for another kind.
        """
        if kind not in ("sdk", "browser"):
            raise ValueError(f"no kind of program {kind!r}; there are sdk and browser")
        shelf = self._sdks if kind == "sdk" else self._browsers
        first = int(shelf.shares.argmax())
        version = int(rng.choice(len(shelf.programs[first].shares), p=_shares(shelf.programs[first].shares)))
        return (
            self._sdk((first, version, 0, 0, 0, 0, 0, 0))
            if kind == "sdk"
            else self._browser((first, version, 0))
        )

    def named(
        self, agents: tuple[str, ...], head: str, rng: np.random.Generator, **settings: object
    ) -> Software:
        """A program of its own, such as a coding agent: one name for all, a few builds of its TLS stack."""
        known = self._builds(head)
        ja4 = known[int(rng.choice(len(known), p=_build_shares(len(known))))]
        defaults: dict[str, object] = {
            "temperature": None,
            "max_output_tokens": 8192,
            "stream": True,
            "sessions": True,
        }
        return self._intern(Software(agents, ja4, **(defaults | settings)))  # type: ignore[arg-type]

    def _drawn(self, shelf: _Shelf, count: int, rng: np.random.Generator) -> list[Ints]:
        """Program, version, and build of the TLS stack."""
        program, version = shelf.draw(count, rng)
        build = np.zeros(count, np.int64)
        draws = rng.random(count)
        for number in np.unique(program).tolist():
            mine = program == number
            shares = _build_shares(len(self._builds(shelf.programs[number].head)))
            build[mine] = np.searchsorted(np.cumsum(shares)[:-1], draws[mine])
        return [program, version, build]

    def _shared(self, columns: Sequence[Ints], make: Callable[[tuple[int, ...]], Software]) -> list[Software]:
        """One object for each different row, repeated where it was drawn."""
        if not len(columns[0]):
            return []
        sizes = tuple(int(column.max()) + 1 for column in columns)
        codes, place = np.unique(np.ravel_multi_index(tuple(columns), sizes), return_inverse=True)
        rows = np.column_stack(np.unravel_index(codes, sizes)).tolist()
        made = [make(tuple(row)) for row in rows]
        return [made[number] for number in place.tolist()]

    def _browser(self, row: tuple[int, ...]) -> Software:
        agents, ja4 = self._identity(self._browsers, row)
        return self._intern(Software(agents, ja4, None, None, True, True))

    def _sdk(self, row: tuple[int, ...]) -> Software:
        agents, ja4 = self._identity(self._sdks, row)
        temperature, limit, stream, sessions, batch = row[3:]
        return self._intern(
            Software(
                agents,
                ja4,
                _TEMPERATURES[temperature],
                _LIMITS[limit],
                bool(stream),
                bool(sessions),
                "batch" if batch else "chat",
            )
        )

    def _identity(self, shelf: _Shelf, row: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
        """User agents before and after the update to the next version, and the fingerprint of the build."""
        program, version, build = shelf.programs[row[0]], row[1], row[2]
        before, after = program.agents[version], program.agents[version - 1]
        # Whoever is on the oldest of many versions stays there.
        stays = before == after or (version == len(program.agents) - 1 and version > 3)
        return (before,) if stays else (before, after), self._builds(program.head)[build]

    def _builds(self, head: str) -> list[str]:
        """Fingerprints of the builds of a TLS stack: the same for all who ask, in whatever order."""
        if head not in self._ja4:
            rng = np.random.default_rng([self._salt, zlib.crc32(head.encode())])
            count = int(shapes()["builds"][_STACKS[head]]) if head in _STACKS else _BUILDS
            self._ja4[head] = [_ja4(head, rng) for _ in range(count)]
        return self._ja4[head]

    def _intern(self, software: Software) -> Software:
        return self._known.setdefault(software, software)


def _browser_shelf() -> _Shelf:
    """Browsers as the table has them, and the apps of the provider."""
    programs, shares = [], []
    for entry in shapes()["browsers"]:
        browser = entry["browser"]
        ages = range(len(entry["versions"]) + 1)
        names = [_SAFARI[age] if browser == "safari" else str(_NEWEST[browser] - age) for age in ages]
        prefix = f"Mozilla/5.0 ({_SYSTEMS[entry['os']]}) "
        agents = tuple(prefix + _NAMES[browser].format(name) for name in names)
        programs.append(_Program(agents, (0.0, *entry["versions"]), _HEADS[browser]))
        shares.append(entry["share"])
    browsers = _shares(shares) * (1 - _APP_SHARE)
    apps = np.full(len(_APPS), _APP_SHARE / len(_APPS))
    return _Shelf((*programs, *_APPS), np.concatenate([browsers, apps]))


def _shares(weights: Sequence[float]) -> Floats:
    values: Floats = np.array(weights, np.float64)
    values /= values.sum()
    return values


def _build_shares(count: int) -> Floats:
    return _shares([_NEXT_BUILD**rank for rank in range(count)])


def _ja4(head: str, rng: np.random.Generator) -> str:
    parts = ["".join(_HEX[int(n)] for n in rng.integers(0, 16, 12)) for _ in range(2)]
    return f"{head}_{parts[0]}_{parts[1]}"
