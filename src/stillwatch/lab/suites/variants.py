"""Names of Stillwatch and of the other ways in which a suite runs it."""

STILLWATCH = "stillwatch"
REPLAY = "stillwatch_replay_"
"""`replay`; the length of its slices follows."""
SLICES = ("1h", "6h", "1d")
HASH_ONLY = "stillwatch_hash_only"
"""`scan --hash-only`."""
WITHOUT_NETWORK = "stillwatch_without_network"
"""`scan` of a dataset without its network, payment and header columns; see `blinded`."""
WIDE = "stillwatch_fdr_05"
"""`scan --fdr 0.05`, for calibration up to 5 %."""
VARIANTS = (HASH_ONLY, WITHOUT_NETWORK, WIDE, *(f"{REPLAY}{every}" for every in SLICES))
