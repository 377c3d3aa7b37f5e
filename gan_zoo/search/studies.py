"""The trials' settings: drawn and kept by optuna, one study a variant in one journal file.

Trial t of a variant has the same settings however often the search was cut off: its sampler is seeded by the search's
seed, the variant and t. An adaptive sampler would make a trial depend on those before it, and void the curve of the
expected best.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.trial import TrialState

from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write, writing
from gan_zoo.search.space import Range, Space

JOURNAL = "optuna.journal"
optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study that it makes


class Studies:
    """The studies of a search's folder; the caller holds the folder's lock."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.journal = folder / JOURNAL
        self.seed = seed
        with writing(self.journal):
            _mend(self.journal)
            self.storage = JournalStorage(JournalFileBackend(str(self.journal)))
        self.studies: dict[str, optuna.Study] = {}

    def trials(self, name: str, space: Space, count: int) -> list[dict[str, Any]]:
        """The settings of a variant's first ``count`` trials: those on record, and the missing ones, newly drawn.

        Raises:
            StorageError: the journal cannot be written.
        """
        with writing(self.journal):
            return self._trials(name, space, count)

    def _trials(self, name: str, space: Space, count: int) -> list[dict[str, Any]]:
        # Only a new study is created: optuna's journal grows by a line even where it is there already.
        known = name in optuna.get_all_study_names(self.storage)
        study = (optuna.load_study if known else optuna.create_study)(study_name=name, storage=self.storage)
        self.studies[name] = study
        distributions = {key: _distribution(values) for key, values in space.varied.items()}
        for number in range(len(study.trials), count):
            params = draw(distributions, derived(self.seed, name, number))
            # Added whole: asked for one by one, a kill could leave a trial with half of its settings.
            study.add_trial(optuna.create_trial(state=TrialState.RUNNING, params=params, distributions=distributions))
        return [dict(trial.params) for trial in study.trials[:count]]

    def tell(self, name: str, number: int, value: float | None) -> None:
        """Record how a trial ended: with its value, or None for a failure. One that is told already stays as it is.

        Raises:
            StorageError: the journal cannot be written.
        """
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        with writing(self.journal):
            self.studies[name].tell(number, value, state=state, skip_if_finished=True)


def check(folder: Path) -> None:
    """Replay the folder's journal, if it has one, and leave it as it is; a part of a last line is what a kill left.

    Raises:
        GanZooError: it is damaged.
    """
    journal = folder / JOURNAL
    if not journal.exists():
        return
    try:
        *lines, rest = journal.read_bytes().split(b"\n")
        if rest and not rest.startswith(b"{"):
            raise ValueError("its last line is no record")
        JournalStorage(_Lines([json.loads(line) for line in lines]))
    # Optuna takes what it reads for its own, so that damage raises whatever it meets first.
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise GanZooError(f"{journal} is damaged ({said}); name another --out") from None


class _Lines(BaseJournalBackend):
    """A journal that is only read."""

    def __init__(self, logs: list[dict[str, Any]]) -> None:
        self.logs = logs

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return self.logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise io.UnsupportedOperation("a journal that is only read")


def draw(distributions: Mapping[str, BaseDistribution], seed: int) -> dict[str, Any]:
    """One value of each distribution, by optuna's random sampler."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return dict(study.ask(dict(distributions)).params)


def derived(seed: int, name: str, number: int) -> int:
    """The sampler's seed for a trial, 32 bits."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}/{number}".encode()).digest()[:4], "big")


def _distribution(values: Range | tuple[Any, ...]) -> BaseDistribution:
    if isinstance(values, Range):
        return FloatDistribution(values.low, values.high, log=values.log)
    return CategoricalDistribution(values)


def _mend(journal: Path) -> None:
    """Take away what a kill may have left: a part of a last line, and optuna's own lock."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.is_file() and not (text := journal.read_bytes()).endswith(b"\n"):
        atomic_write(journal, text[: text.rfind(b"\n") + 1])
