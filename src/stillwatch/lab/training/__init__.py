"""Training of the signal classifiers that `stillwatch.signals` ships: `stillwatch lab train-signals`."""

from stillwatch.lab.training.train import TrainingReport, train_signals

__all__ = ["TrainingReport", "train_signals"]
