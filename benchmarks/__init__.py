"""Measurements that stand in the documentation; `make bench` prints them all."""
