"""Suites: many worlds, many seeds, many detectors, one table; the TOML files here are shipped suites."""
