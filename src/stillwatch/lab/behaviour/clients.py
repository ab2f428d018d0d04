"""What software asks: user agents, TLS fingerprints, and the settings that a program fixes once.

Names of the programs are ours. Popularity follows a 1/rank law, as it does for the header sets of browsers,
so a few user agents and fingerprints are shared by thousands of accounts and say nothing about any two of
them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stillwatch.lab.behaviour.clocks import Ints

_HEX = "0123456789abcdef"


@dataclass(frozen=True)
class _Program:
    agents: tuple[str, ...]
    head: str


_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_"
_CHROME, _SAFARI, _IOS, _FIREFOX = (145, 146, 147), ("18.4", "18.5", "18.6"), (4, 5, 6), (146, 147, 148)
_BROWSERS = (
    _Program(tuple(f"{_WINDOWS}) Chrome/{v}.0.0.0" for v in _CHROME), "t13d1516h2"),
    _Program(tuple(f"{_MAC} Chrome/{v}.0.0.0" for v in _CHROME), "t13d1516h2"),
    _Program(tuple(f"{_IPHONE}{v} like Mac OS X) Mobile Safari" for v in _IOS), "t13d2014h2"),
    _Program(tuple(f"ChatApp/Android/{v}" for v in ("3.41.0", "3.42.2", "3.43.0")), "t13d1312h2"),
    _Program(tuple(f"{_MAC} Version/{v} Safari" for v in _SAFARI), "t13d2014h2"),
    _Program(tuple(f"ChatApp/iOS/{v}" for v in ("3.40.1", "3.41.0", "3.42.0")), "t13d2013h2"),
    _Program(tuple(f"{_WINDOWS}; rv:{v}.0) Firefox/{v}.0" for v in _FIREFOX), "t13d1715h2"),
    _Program(tuple(f"Mozilla/5.0 (X11; Linux x86_64) Chrome/{v}.0.0.0" for v in _CHROME), "t13d1516h2"),
)
_SDKS = (
    _Program(tuple(f"llm-sdk-python/{v}" for v in ("1.61.0", "1.62.1", "1.64.0", "1.66.2")), "t13d1812h1"),
    _Program(tuple(f"llm-sdk-node/{v}" for v in ("4.77.0", "4.80.1", "4.82.0")), "t13d5911h1"),
    _Program(tuple(f"python-httpx/{v}" for v in ("0.27.2", "0.28.1")), "t13d1812h1"),
    _Program(tuple(f"chainkit-python/{v}" for v in ("0.3.12", "0.3.14", "0.4.0")), "t13d1812h1"),
    _Program(("Go-http-client/2.0",), "t13d1312h2"),
    _Program(tuple(f"llm-sdk-java/{v}" for v in ("0.31.0", "0.33.0")), "t13d3812h1"),
    _Program(tuple(f"modelproxy/{v}" for v in ("1.71.4", "1.72.0", "1.74.1")), "t13d1812h1"),
    _Program(("axios/1.8.4", "axios/1.9.0"), "t13d5911h1"),
    _Program(("curl/8.5.0", "curl/8.12.1"), "t13d3112h2"),
    _Program(("reqwest/0.12.9", "reqwest/0.12.15"), "t13d1011h2"),
)


# Settings that tutorials suggest; the first is the default.
_TEMPERATURES, _TEMPERATURE_WEIGHTS = (None, 0.0, 0.2, 0.7, 1.0), (0.42, 0.18, 0.08, 0.2, 0.12)
_LIMITS, _LIMIT_WEIGHTS = (None, 512, 1024, 2048, 4096, 8192), (0.4, 0.07, 0.17, 0.13, 0.15, 0.08)
_BUILD_WEIGHTS = (0.65, 0.25, 0.1)


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


class Catalogue:
    """The programs of one world. Fingerprints are drawn for each world in JA4's form.

    Equal programs are one object, however often they are drawn, so that a table of accounts can share them.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        heads = sorted({p.head for p in _BROWSERS + _SDKS})
        self._ja4 = {head: [_ja4(head, rng) for _ in range(3)] for head in heads}
        self._known: dict[Software, Software] = {}

    def browser(self, rng: np.random.Generator) -> Software:
        """A person's browser or app."""
        return self.browsers(1, rng)[0]

    def browsers(self, count: int, rng: np.random.Generator) -> list[Software]:
        """The browsers or apps of `count` people."""
        return self._shared(self._programs(_BROWSERS, count, rng), self._browser)

    def sdk(self, rng: np.random.Generator) -> Software:
        """A developer's program; its settings are those that tutorials suggest."""
        return self.sdks(1, rng)[0]

    def sdks(self, count: int, rng: np.random.Generator) -> list[Software]:
        """The programs of `count` developers, each with settings of its own."""
        settings = [
            rng.choice(len(_TEMPERATURES), count, p=_TEMPERATURE_WEIGHTS),
            rng.choice(len(_LIMITS), count, p=_LIMIT_WEIGHTS),
            rng.random(count) < 0.35,
            rng.random(count) < 0.12,
            rng.random(count) < 0.04,
        ]
        return self._shared(np.column_stack([self._programs(_SDKS, count, rng), *settings]), self._sdk)

    def common(self, rng: np.random.Generator, kind: str = "sdk") -> Software:
        """The most common program of a kind (sdk or browser) with its usual settings: says nothing about anyone.

        Only the version is drawn, as users of that program have it.
        """
        programs = _BROWSERS if kind == "browser" else _SDKS
        version = int(rng.integers(0, len(programs[0].agents)))
        return (
            self._browser((0, version, 0)) if kind == "browser" else self._sdk((0, version, 0, 0, 0, 0, 0, 0))
        )

    def named(
        self, agents: tuple[str, ...], head: str, rng: np.random.Generator, **settings: object
    ) -> Software:
        """A program of its own, such as a coding agent: one name for all, three builds of its TLS stack."""
        known = self._ja4.setdefault(head, [_ja4(head, rng) for _ in range(3)])
        ja4 = known[int(rng.choice(3, p=(0.7, 0.2, 0.1)))]
        defaults: dict[str, object] = {
            "temperature": None,
            "max_output_tokens": 8192,
            "stream": True,
            "sessions": True,
        }
        return self._intern(Software(agents, ja4, **(defaults | settings)))  # type: ignore[arg-type]

    def _programs(self, programs: tuple[_Program, ...], count: int, rng: np.random.Generator) -> Ints:
        """Rows of (program, version, build of the TLS stack)."""
        rank = 1 / np.arange(1, len(programs) + 1)
        program = rng.choice(len(programs), count, p=rank / rank.sum())
        versions = np.array([len(p.agents) for p in programs])
        version = (rng.random(count) * versions[program]).astype(np.int64)
        return np.column_stack([program, version, rng.choice(3, count, p=_BUILD_WEIGHTS)])

    def _shared(self, drawn: Ints, make: Callable[[tuple[int, ...]], Software]) -> list[Software]:
        """One object for each different row, repeated where it was drawn."""
        rows, place = np.unique(drawn, axis=0, return_inverse=True)
        made = [make(tuple(row)) for row in rows.tolist()]
        return [made[number] for number in place.ravel().tolist()]

    def _browser(self, row: tuple[int, ...]) -> Software:
        agents, ja4 = self._identity(_BROWSERS, row)
        return self._intern(Software(agents, ja4, None, None, True, True))

    def _sdk(self, row: tuple[int, ...]) -> Software:
        agents, ja4 = self._identity(_SDKS, row)
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

    def _identity(self, programs: tuple[_Program, ...], row: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
        program = programs[row[0]]
        return program.agents[row[1] : row[1] + 2], self._ja4[program.head][row[2]]

    def _intern(self, software: Software) -> Software:
        return self._known.setdefault(software, software)


def _ja4(head: str, rng: np.random.Generator) -> str:
    parts = ["".join(_HEX[int(n)] for n in rng.integers(0, 16, 12)) for _ in range(2)]
    return f"{head}_{parts[0]}_{parts[1]}"
