"""Which extractors measure a plan, by what is available and how many images there are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gan_zoo.data import Dataset
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.extractors import OWN, load_extractor, resolve
from gan_zoo.metrics.features import EXTRACTORS, LEAST_N, Extractor, ExtractorUnavailable
from gan_zoo.metrics.mixture import EXTRACTOR as DENSITY
from gan_zoo.metrics.mixture import density_extractor
from gan_zoo.metrics.registry import names_for

if TYPE_CHECKING:
    from gan_zoo.bench.plan import Plan


def choose_extractors(plan: "Plan") -> tuple[tuple[Extractor, ...], list[str]]:
    """The extractors of a plan, and a notice for each that is left out.

    Raises:
        GanZooError: none is left, or they do not fit the data.
    """
    options, dataset, num_samples = plan.options, plan.measured, plan.preset.num_samples
    names = plan.preset.extractors or plan.suite.extractors
    weights = options.inception_weights
    extractors: list[Extractor] = []
    notices: list[str] = []
    measured: set[str] = set()
    if not options.evaluate:
        return (), notices
    if weights is not None and "inception" not in names:
        names = [*names, "inception"]
    if dataset.density is not None:
        return (_density(names, num_samples, dataset),), notices
    for name in resolve(names, dataset, n=num_samples, inception_weights=weights):
        try:
            extractor = load_extractor(name, device=plan.device, inception_weights=weights, dataset=dataset)
        except ExtractorUnavailable as error:
            notices.append(str(error))
            continue
        may_lack_fid = dataset.extractor not in EXTRACTORS and not extractors
        fitting, notice = _fitting(extractor, num_samples, may_lack_fid=may_lack_fid)
        if fitting is not None:
            measured |= {*extractor.metrics}
            extractors.append(fitting)
            notices += [extractor.note] if extractor.note else []
        notices += [notice] if notice else []
    missing = [name for name in names_for("classifier") if name not in measured]
    if dataset.extractor in EXTRACTORS and not extractors:
        raise GanZooError(f"no extractor is left to measure with: {'; '.join(notices)}")
    if dataset.extractor not in EXTRACTORS and missing:
        labelled = "add 'trained' to the suite's extractors"
        remedy = labelled if dataset.classes > 1 else "sort the images into one sub-folder a class"
        after = f"{remedy} to have them" if extractors else "training continues without any measure"
        notices.append(f"{', '.join(missing)} are left out, as no extractor that is here gives them: {after}")
    return tuple(extractors), notices


def _fitting(extractor: Extractor, num_samples: int, *, may_lack_fid: bool) -> tuple[Extractor | None, str]:
    """The extractor with the metrics that so many images allow, if any, and a notice of what is left out."""
    if num_samples >= extractor.minimum_n:
        return extractor, ""
    least = f"it needs num_samples of at least {extractor.minimum_n}, not {num_samples}"
    if may_lack_fid and num_samples >= LEAST_N:
        more = "a larger --test-share of folder:PATH, or 0 for the whole set, gives more"
        return extractor.fitting(num_samples), f"FID is left out: {least}; KID ranks; {more}"
    return None, f"{extractor.name} is left out: {least}"


def _density(names: Sequence[str], num_samples: int, dataset: Dataset) -> Extractor:
    """What measures points. Raises GanZooError for any extractor of images, and for too few points."""
    assert dataset.density is not None
    density = density_extractor(dataset.density)
    if others := [name for name in names if name not in (DENSITY, OWN)]:
        raise GanZooError(
            f"{dataset.name} is a set of points, which {others[0]!r} cannot see: use extractor {DENSITY!r}"
        )
    if num_samples < density.minimum_n:
        raise GanZooError(
            f"num_samples is {num_samples}; modes are looked for among {density.minimum_n} points: set it to that or "
            "more"
        )
    return density
