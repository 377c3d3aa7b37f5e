"""Measures against closed forms, and against implementations written without torch-fidelity."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn.functional import normalize
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from gan_zoo import metrics
from gan_zoo.errors import GanZooError
from gan_zoo.metrics import Features, Reference, measure


def normal(n: int, d: int, seed: int = 0, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) * scale + shift


def with_moments(mean: Tensor, covariance: Tensor, n: int, seed: int) -> Tensor:
    """Vectors (n, D) whose sample mean and unbiased sample covariance are exactly the given ones."""
    raw = normal(n, len(mean), seed)
    centered = raw - raw.mean(0)
    white = torch.linalg.solve_triangular(
        torch.linalg.cholesky(centered.T @ centered / (n - 1)), centered.T, upper=False
    )
    return (torch.linalg.cholesky(covariance) @ white).T + mean


def spread(d: int, seed: int) -> Tensor:
    """A random covariance that is well conditioned."""
    factor = normal(d, d, seed)
    return factor @ factor.T + torch.eye(d, dtype=torch.float64)


def features(n: int = 60, seed: int = 0, classes: int = 5, extractor: str = "some-cnn") -> Features:
    return Features(normal(n, 8, seed).float(), normal(n, classes, seed + 100, scale=3.0).float(), extractor)


def logits_of(seen: Features) -> Tensor:
    assert seen.logits is not None
    return seen.logits


class TestFrechetDistance:
    def test_of_commuting_covariances_is_the_closed_form(self) -> None:
        # Diagonal covariances commute: the trace term is the sum of (sqrt(a) - sqrt(b))^2.
        m1, m2 = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([0.0, 1.0, 0.5]).double()
        a, b = torch.tensor([4.0, 1.0, 9.0]).double(), torch.tensor([1.0, 16.0, 9.0]).double()
        fake, real = with_moments(m1, a.diag(), 50, seed=1), with_moments(m2, b.diag(), 50, seed=2)
        # 1 + 9 + 0 for the means; (2-1)^2 + (1-4)^2 + 0 for the covariances.
        assert metrics.frechet_distance(fake, real) == pytest.approx(20.0, rel=1e-10)

    @given(d=st.integers(1, 6), seed=st.integers(0, 1000))
    @settings(max_examples=25, deadline=None)
    def test_of_any_covariances_is_the_formula_by_symmetric_square_roots(self, d: int, seed: int) -> None:
        m1, m2 = normal(1, d, seed)[0], normal(1, d, seed + 1)[0]
        c1, c2 = spread(d, seed + 2), spread(d, seed + 3)
        fake, real = with_moments(m1, c1, 40, seed + 4), with_moments(m2, c2, 40, seed + 5)
        values, basis = torch.linalg.eigh(c1)
        root = basis @ values.sqrt().diag() @ basis.T
        cross = torch.linalg.eigvalsh(root @ c2 @ root).sqrt().sum()
        expected = ((m1 - m2) ** 2).sum() + c1.trace() + c2.trace() - 2 * cross
        assert metrics.frechet_distance(fake, real) == pytest.approx(float(expected), rel=1e-8)

    @pytest.mark.parametrize("d", [2, 32, 128])
    def test_is_that_of_torch_fidelity_and_of_scipy_by_the_product_of_covariances(self, d: int) -> None:
        fake, real = normal(400, d, 1, scale=1.5) @ normal(d, d, 2), normal(400, d, 3, shift=0.5)
        one, two = (fid_features_to_statistics(side) for side in (fake, real))
        value = metrics.frechet_distance(fake, real)
        theirs = fid_statistics_to_metric(one, two, verbose=False)["frechet_inception_distance"]
        assert value == pytest.approx(theirs, rel=1e-9)
        shift = ((one["mu"] - two["mu"]) ** 2).sum()
        root = np.trace(sqrtm(one["sigma"] @ two["sigma"]).real)
        assert value == pytest.approx(shift + np.trace(one["sigma"]) + np.trace(two["sigma"]) - 2 * root, rel=1e-9)

    @pytest.mark.parametrize("d", [1, 5])
    def test_moments_are_those_of_torch_fidelity(self, d: int) -> None:
        vectors = normal(50, d, 1, scale=3.0, shift=100.0)
        theirs, ours = fid_features_to_statistics(vectors), metrics.moments(vectors)
        np.testing.assert_allclose(ours.mean, theirs["mu"], rtol=1e-10)
        np.testing.assert_allclose(ours.covariance, np.atleast_2d(theirs["sigma"]), rtol=1e-10, atol=1e-12)
        assert ours.n == 50

    @pytest.mark.parametrize("rows", [4, 60])
    def test_roots_give_the_covariance_back_even_where_it_is_singular(self, rows: int) -> None:
        moments = metrics.moments(normal(rows, 6, 1))
        torch.testing.assert_close(moments.root @ moments.root.T, moments.covariance)

    def test_of_singular_covariances_stays_finite_and_real(self) -> None:
        fake, real = normal(10, 64, 1), normal(10, 64, 2)
        # The cross term is the nuclear norm of A B^T, where A and B are the centered sets over sqrt(N - 1) = 3.
        one, two = ((x - x.mean(0)) / 3.0 for x in (fake, real))
        nuclear = torch.linalg.svdvals(one @ two.T).sum()
        mean_term = ((fake.mean(0) - real.mean(0)) ** 2).sum()
        expected = mean_term + (one**2).sum() + (two**2).sum() - 2 * nuclear
        assert metrics.frechet_distance(fake, real) == pytest.approx(float(expected), rel=1e-5)

    def test_of_a_constant_set_is_the_other_ones_trace_and_the_squared_shift(self) -> None:
        real = with_moments(torch.zeros(4).double(), spread(4, 3), 30, seed=1)
        expected = 4 * 4.0 + float(spread(4, 3).trace())
        assert metrics.frechet_distance(torch.full((30, 4), 2.0), real) == pytest.approx(expected, rel=1e-10)

    def test_of_a_set_to_itself_is_nothing_and_never_negative(self) -> None:
        for d in (3, 32):
            value = metrics.frechet_distance(normal(100, d), normal(100, d))
            assert 0.0 <= value < 1e-8

    def test_takes_moments_computed_before(self) -> None:
        fake, real = normal(50, 6, 1), normal(50, 6, 2)
        assert metrics.frechet_distance(fake, metrics.moments(real)) == metrics.frechet_distance(fake, real)

    def test_of_one_dimension(self) -> None:
        fake = with_moments(torch.tensor([1.0]).double(), torch.tensor([[4.0]]).double(), 20, 1)
        real = with_moments(torch.tensor([3.0]).double(), torch.tensor([[25.0]]).double(), 20, 2)
        assert metrics.frechet_distance(fake, real) == pytest.approx(4.0 + 9.0, rel=1e-10)


def unbiased_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased squared MMD of Gretton et al. 2012, eq. 3, pair by pair, kernel (x.y / d + 1)^3."""
    m, d = x.shape

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((sum(a * b) / d + 1) ** 3)

    same = sum(kernel(s[i], s[j]) for s in (x, y) for i in range(m) for j in range(m) if i != j)
    cross = sum(kernel(x[i], y[j]) for i in range(m) for j in range(m))
    return same / (m * (m - 1)) - 2 * cross / m**2


class TestKernelDistance:
    def test_is_the_unbiased_mmd_over_all_pairs(self) -> None:
        fake, real = normal(25, 7, 1, scale=1.5), normal(25, 7, 2, shift=0.5)
        expected = unbiased_mmd(fake.numpy(), real.numpy())
        assert metrics.kernel_distance(fake, real) == pytest.approx(expected, rel=1e-10)

    def test_is_that_of_torch_fidelity_on_one_subset_of_all(self) -> None:
        fake, real = normal(1200, 16, 1, scale=1.5), normal(1200, 16, 2, shift=0.5)
        theirs = kid_features_to_metric(
            fake,
            real,
            kid_subsets=1,
            kid_subset_size=1200,
            kid_kernel="poly",
            kid_kernel_poly_degree=3,
            kid_kernel_poly_gamma=None,
            kid_kernel_poly_coef0=1,
            rng_seed=2020,
            verbose=False,
        )
        expected = theirs["kernel_inception_distance_mean"]
        assert metrics.kernel_distance(fake, real) == pytest.approx(expected, rel=1e-10)

    def test_is_the_estimate_from_the_kernel_of_scikit_learn(self) -> None:
        fake, real, n = normal(700, 8, 1, scale=1.5), normal(700, 8, 2, shift=0.5), 700
        one, two, cross = (
            polynomial_kernel(a, b, degree=3, gamma=1 / 8, coef0=1)
            for a, b in ((fake, fake), (real, real), (fake, real))
        )
        same = sum((kernel.sum() - kernel.trace()) / (n * (n - 1)) for kernel in (one, two))
        assert metrics.kernel_distance(fake, real) == pytest.approx(same - 2 * cross.mean(), rel=1e-10)
        assert float(metrics.kernel_sum(real)) == pytest.approx(two.sum() - two.trace(), rel=1e-12)

    @pytest.mark.parametrize("block", [1, 33, 100, 1000])
    def test_does_not_depend_on_the_blocks(self, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
        fake, real = normal(100, 4, 1, scale=1.5), normal(100, 4, 2)
        whole = metrics.kernel_distance(fake, real)
        monkeypatch.setattr("gan_zoo.metrics.distances._BLOCK", block)
        assert metrics.kernel_distance(fake, real) == pytest.approx(whole, rel=1e-11)

    def test_takes_the_sum_computed_before(self) -> None:
        fake, real = normal(60, 5, 1), normal(60, 5, 2)
        given = metrics.kernel_distance(fake, real, real_sum=metrics.kernel_sum(real))
        assert given == metrics.kernel_distance(fake, real)
        more = metrics.kernel_distance(fake, real, real_sum=metrics.kernel_sum(real) + 60 * 59)
        assert more == pytest.approx(given + 1.0)

    def test_has_the_expectation_of_the_mean_over_subsets(self) -> None:
        fake, real = normal(400, 6, 1, scale=1.4), normal(400, 6, 2)
        random = np.random.default_rng(0)
        draws = [
            metrics.kernel_distance(*(side[random.choice(400, 80, replace=False)] for side in (fake, real)))
            for _ in range(300)
        ]
        error = np.std(draws, ddof=1) / math.sqrt(len(draws))
        assert abs(np.mean(draws) - metrics.kernel_distance(fake, real)) < 4 * error

    def test_leaves_the_global_random_state_alone(self) -> None:
        before, numpy_before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
        metrics.kernel_distance(normal(40, 5, 1), normal(40, 5, 2))
        assert torch.equal(before, torch.get_rng_state())
        assert np.array_equal(numpy_before, np.random.get_state(legacy=False)["state"]["key"])  # noqa: NPY002


class TestInceptionScore:
    @pytest.mark.parametrize("n", [1, 7, 500])
    def test_of_uniform_predictions_is_one(self, n: int) -> None:
        assert metrics.inception_score(torch.full((n, 10), 3.0)) == pytest.approx(1.0, abs=1e-12)

    @pytest.mark.parametrize("sure", [50.0, 5000.0])
    def test_of_sure_and_balanced_predictions_is_the_number_of_classes(self, sure: float) -> None:
        logits = torch.eye(10).repeat(20, 1) * sure
        assert metrics.inception_score(logits) == pytest.approx(10.0, rel=1e-12)

    def test_of_one_class_is_one_even_where_the_others_underflow(self) -> None:
        logits = torch.zeros(30, 10)
        logits[:, 3] = 5000.0
        assert metrics.inception_score(logits) == pytest.approx(1.0, abs=1e-12)

    def test_is_the_exponential_of_the_mutual_information(self) -> None:
        logits = normal(80, 6, 1, scale=2.0)
        p = torch.softmax(logits, 1).numpy()
        entropy = -(p * np.log(p)).sum(1).mean()
        marginal = p.mean(0)
        expected = math.exp(-(marginal * np.log(marginal)).sum() - entropy)
        assert metrics.inception_score(logits) == pytest.approx(expected, rel=1e-12)


def on_sphere(x: Tensor) -> np.ndarray:
    return (x / x.norm(dim=1, keepdim=True)).numpy()


def neighbor_measures(fake: Tensor, real: Tensor, k: int) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage by scikit-learn's neighbor search on normalized vectors."""
    a, b = on_sphere(fake), on_sphere(real)

    def radius(x: np.ndarray) -> np.ndarray:
        # Asked about its own points without naming them, the search leaves each point itself out.
        return NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[0][:, -1]

    inside_real = [np.linalg.norm(b - x, axis=1) <= radius(b) for x in a]
    inside_fake = [np.linalg.norm(a - x, axis=1) <= radius(a) for x in b]
    held = np.array(inside_real).T
    precision, recall = np.mean([x.any() for x in inside_real]), np.mean([x.any() for x in inside_fake])
    return precision, recall, held.sum(0).mean() / k, held.any(1).mean()


def exact_measures(fake: Tensor, real: Tensor) -> tuple[float, float, float, float]:
    """The four measures at their usual k from all distances, each by subtraction, equal where 9 digits are."""
    a, b = normalize(fake), normalize(real)

    def apart(x: Tensor, y: Tensor) -> Tensor:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").round(decimals=9)

    cross, fakes, reals = apart(b, a), apart(a, a).sort(dim=1).values, apart(b, b).sort(dim=1).values
    precision = (cross <= reals[:, 3:4]).any(0).double().mean()
    recall = (cross <= fakes[:, 3]).any(1).double().mean()
    held = (cross < reals[:, 5:6]).double()
    return float(precision), float(recall), float(held.sum(0).mean() / 5), float(held.amax(1).mean())


class TestNeighborMeasures:
    @given(n=st.integers(12, 60), d=st.integers(2, 8), k=st.integers(1, 6), seed=st.integers(0, 500))
    @settings(max_examples=25, deadline=None)
    def test_agree_with_scikit_learn(self, n: int, d: int, k: int, seed: int) -> None:
        fake, real = normal(n, d, seed, scale=0.7, shift=0.3), normal(n, d, seed + 1)
        precision, recall, density, coverage = neighbor_measures(fake, real, k)
        assert metrics.precision_recall(fake, real, k=k) == pytest.approx((precision, recall), abs=1e-12)
        assert metrics.density_coverage(fake, real, k=k) == pytest.approx((density, coverage), abs=1e-12)

    @pytest.mark.parametrize(("n", "d"), [(300, 128), (1100, 5)])
    def test_agree_with_torch_fidelity_and_with_distances_by_subtraction(self, n: int, d: int) -> None:
        mix = normal(5, d, 3)
        fake, real = ((side @ mix).relu() for side in (normal(n, 5, 1, scale=0.9, shift=0.3), normal(n, 5, 2)))
        theirs = prc_features_to_metric(
            normalize(fake), normalize(real), prc_neighborhood=3, prc_batch_size=n, save_cpu_ram=True, verbose=False
        )
        result = metrics.overlap(fake, real)
        # The library averages in float32.
        assert result[:2] == pytest.approx((theirs["precision"], theirs["recall"]), rel=1e-6)
        assert result == pytest.approx(exact_measures(fake, real), abs=1e-12)
        assert 0.05 < result.precision < 1
        assert 0.05 < result.recall < 1

    @given(n=st.integers(12, 60), d=st.integers(2, 4), seed=st.integers(0, 500))
    @settings(max_examples=50, deadline=None)
    def test_count_ties_and_duplicates_as_exact_arithmetic_does(self, n: int, d: int, seed: int) -> None:
        # Few directions, zero among them, in many lengths: distances are equal or far apart, and often zero.
        generator = torch.Generator().manual_seed(seed)
        fake, real = (torch.randint(-1, 2, (n, d), generator=generator).double() for _ in range(2))
        lengths = normal(n, 1, seed).abs() + 0.1
        assert metrics.overlap(fake * lengths, real) == pytest.approx(exact_measures(fake, real), abs=1e-12)

    def test_of_one_pass_are_those_of_each_alone(self) -> None:
        fake, real = normal(90, 5, 1), normal(90, 5, 2)
        alone = (*metrics.precision_recall(fake, real, k=2), *metrics.density_coverage(fake, real, k=7))
        assert metrics.overlap(fake, real, precision_k=2, coverage_k=7) == alone
        assert metrics.overlap(fake, real) == (
            *metrics.precision_recall(fake, real),
            *metrics.density_coverage(fake, real),
        )

    def test_do_not_depend_on_the_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake, real = normal(100, 4, 1), normal(100, 4, 2)
        whole = metrics.precision_recall(fake, real), metrics.density_coverage(fake, real)
        monkeypatch.setattr("gan_zoo.metrics.manifold._BLOCK", 33)
        assert (metrics.precision_recall(fake, real), metrics.density_coverage(fake, real)) == whole

    def test_of_identical_sets(self) -> None:
        real = normal(80, 6)
        assert metrics.precision_recall(real, real) == (1.0, 1.0)
        # A ball of k = 5 holds its center and, being open, 4 of the 5 neighbors.
        assert metrics.density_coverage(real, real) == (1.0, 1.0)

    def test_of_identical_sets_of_duplicates(self) -> None:
        # Every radius is zero: closed balls hold their centers, open ones nothing.
        real = normal(90, 128).repeat_interleave(8, dim=0)
        assert metrics.precision_recall(real, real.flip(0)) == (1.0, 1.0)
        assert metrics.density_coverage(real, real.flip(0)) == (0.0, 0.0)

    def test_of_disjoint_sets_are_zero(self) -> None:
        real = normal(80, 6, 1, scale=0.1, shift=1.0)
        assert metrics.precision_recall(-real, real) == (0.0, 0.0)
        assert metrics.density_coverage(-real, real) == (0.0, 0.0)

    def test_of_a_collapsed_set_are_precise_and_cover_little(self) -> None:
        real = normal(80, 6, 1)
        # Beside a real vector, not on it: that one lies on the very edge of other balls.
        fake = real[:1] + 0.01 + normal(80, 6, 2, scale=1e-6)
        precision, recall = metrics.precision_recall(fake, real)
        density, coverage = metrics.density_coverage(fake, real)
        assert precision == 1.0
        assert recall <= 1 / 80
        # Every fake lies in the same balls, so the share covered is what the density says one fake lies in.
        assert coverage == pytest.approx(density * 5 / 80)
        assert coverage < 0.3

    def test_do_not_reward_small_features(self) -> None:
        # In many dimensions the balls around real vectors reach the origin, where blank images have their features.
        real = normal(200, 400, 1, shift=0.5)
        blank = normal(200, 400, 2, scale=1e-4, shift=-1e-3)
        raw = torch.cdist(blank, real) <= torch.cdist(real, real).kthvalue(4).values
        assert raw.any(dim=1).double().mean() > 0.9
        assert metrics.precision_recall(blank, real)[0] == 0.0
        assert metrics.density_coverage(blank, real)[0] == 0.0

    def test_of_one_distribution_meet_their_expectations(self) -> None:
        # Naeem et al. 2020: density 1 (Lemma 1); coverage 1 - prod (N - i) / (2N - i), i from 1 to k (Lemma 2).
        n, k, draws = 200, 5, 40
        values = np.array([metrics.density_coverage(normal(n, 4, s), normal(n, 4, s + 999)) for s in range(draws)])
        expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
        error = values.std(axis=0, ddof=1) / math.sqrt(draws)
        assert abs(values[:, 0].mean() - 1.0) < 4 * error[0]
        assert abs(values[:, 1].mean() - expected) < 4 * error[1]

    def test_take_radii_computed_before(self) -> None:
        fake, real = normal(60, 5, 1), normal(60, 5, 2)
        radii = metrics.neighbor_radii(real)
        assert metrics.overlap(fake, real, radii=radii) == metrics.overlap(fake, real)
        precision, recall, density, coverage = metrics.overlap(fake, real, radii=torch.zeros_like(radii))
        assert (precision, density, coverage) == (0.0, 0.0, 0.0)
        assert recall == metrics.overlap(fake, real).recall

    def test_radii_are_the_distances_to_the_neighbors_asked_for(self) -> None:
        real = normal(60, 5, 2)
        expected = NearestNeighbors(n_neighbors=6).fit(on_sphere(real)).kneighbors()[0][:, [2, 4, 0]]
        np.testing.assert_allclose(metrics.neighbor_radii(real, k=(3, 5, 1)), expected, rtol=1e-10)
        assert torch.equal(metrics.neighbor_radii(real), metrics.neighbor_radii(real, k=(3, 5)))


class TestClassMeasures:
    def test_modes_counts_classes_with_one_percent_or_more(self) -> None:
        predicted = torch.tensor([0] * 979 + [1] * 10 + [2] * 9 + [3] * 2)
        assert metrics.modes(predicted, 10) == 2
        assert metrics.modes(torch.tensor([0] * 693 + [1] * 7), 10) == 2
        assert metrics.modes(torch.arange(10), 10) == 10
        assert metrics.modes(torch.full((50,), 7), 10) == 1

    def test_class_kl_is_the_sum_by_hand(self) -> None:
        fake, real = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 2])
        assert metrics.class_kl(fake, real, 3) == pytest.approx(0.75 * math.log(3) + 0.25 * math.log(0.5))

    def test_class_kl_of_one_class_against_balanced_ones_is_the_logarithm_of_their_number(self) -> None:
        assert metrics.class_kl(torch.full((50,), 3), torch.arange(50) % 10, 10) == pytest.approx(math.log(10))

    def test_class_kl_where_reals_lack_a_class_counts_half_an_image_there(self) -> None:
        fake, real = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 0])
        expected = 0.5 * math.log(0.5 / (4 / 4.5)) + 0.5 * math.log(0.5 / (0.5 / 4.5))
        assert metrics.class_kl(fake, real, 2) == pytest.approx(expected)

    @given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 99))
    @settings(max_examples=50, deadline=None)
    def test_class_kl_is_never_negative_and_zero_for_equal_histograms(self, labels: list[int], seed: int) -> None:
        fake = torch.tensor(labels)
        real = torch.randint(5, fake.shape, generator=torch.Generator().manual_seed(seed))
        assert metrics.class_kl(fake, real, 5) >= -1e-12
        assert metrics.class_kl(fake, fake.flip(0), 5) == 0.0

    def test_label_accuracy_is_the_share_of_matches(self) -> None:
        assert metrics.label_accuracy(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 3, 0])) == 0.75

    def test_wrong_labels_are_refused(self) -> None:
        with pytest.raises(GanZooError, match="one for each"):
            metrics.label_accuracy(torch.tensor([1, 2]), torch.tensor([1]))
        with pytest.raises(GanZooError, match="outside 0 to 2"):
            metrics.modes(torch.tensor([0, 3]), 3)


class TestMeasure:
    everything = (
        "fid",
        "is",
        "kid",
        "precision",
        "recall",
        "density",
        "coverage",
        "modes",
        "class_kl",
        "label_accuracy",
    )

    def test_gives_every_measure_once_in_the_catalogues_order_as_floats(self) -> None:
        values = measure(features(seed=1), features(seed=2), asked=torch.zeros(60, dtype=torch.int64))
        assert tuple(values) == self.everything == tuple(metrics.METRICS)
        assert {type(value) for value in values.values()} == {float}

    def test_gives_what_the_single_functions_give(self) -> None:
        fake, real = features(seed=1), features(seed=2)
        asked = torch.arange(60) % 5
        predicted, expected = logits_of(fake).argmax(1), logits_of(real).argmax(1)
        assert measure(fake, real, asked=asked) == {
            "fid": metrics.frechet_distance(fake.vectors, real.vectors),
            "is": metrics.inception_score(logits_of(fake)),
            "kid": metrics.kernel_distance(fake.vectors, real.vectors),
            **dict(zip(("precision", "recall"), metrics.precision_recall(fake.vectors, real.vectors), strict=True)),
            **dict(zip(("density", "coverage"), metrics.density_coverage(fake.vectors, real.vectors), strict=True)),
            "modes": metrics.modes(predicted, 5),
            "class_kl": metrics.class_kl(predicted, expected, 5),
            "label_accuracy": metrics.label_accuracy(predicted, asked),
        }

    def test_leaves_out_what_the_input_does_not_allow(self) -> None:
        assert set(measure(features(seed=1), features(seed=2))) == set(self.everything) - {"label_accuracy"}
        bare = Features(features(seed=1).vectors, None, "some-cnn")
        without = {"fid", "kid", "precision", "recall", "density", "coverage"}
        assert set(measure(bare, features(seed=2), asked=torch.zeros(60, dtype=torch.int64))) == without

    def test_gives_only_what_is_asked_for(self) -> None:
        assert list(measure(features(seed=1), features(seed=2), names=["recall", "fid"])) == ["fid", "recall"]

    def test_a_reference_serves_many_calls_and_changes_nothing(self) -> None:
        reference = Reference(features(seed=2))
        for seed in (3, 4):
            assert measure(features(seed=seed), reference) == measure(features(seed=seed), features(seed=2))
        assert reference.moments is reference.moments
        assert reference.radii is reference.radii
        assert reference.kernel_sum is reference.kernel_sum

    @pytest.mark.parametrize("logits", [True, False])
    def test_a_reference_taken_apart_and_made_again_gives_the_same_to_the_bit(self, logits: bool) -> None:
        real = features(seed=2)
        whole = Reference(real if logits else Features(real.vectors, None, real.extractor))
        again = Reference.from_tensors(whole.to_tensors(), "some-cnn")
        assert ("logits" in whole.to_tensors()) == logits
        names = None if logits else ["fid", "kid", "precision", "recall", "density", "coverage"]
        assert measure(features(seed=1), again, names=names) == measure(features(seed=1), whole, names=names)

    def test_statistics_that_a_reference_was_given_are_used_as_they_are(self) -> None:
        tensors = Reference(features(seed=2)).to_tensors()
        before = measure(features(seed=1), features(seed=2))
        given = {name: torch.zeros_like(tensors[name]) for name in ("mean", "covariance", "radii", "kernel_sum")}
        after = measure(features(seed=1), Reference.from_tensors(tensors | given, "some-cnn"))
        changed = {name for name, value in before.items() if after[name] != value}
        assert changed == {"fid", "kid", "precision", "density", "coverage"}

    @pytest.mark.cuda
    def test_on_cuda_gives_the_figures_of_the_cpu(self) -> None:
        def on_cuda(side: Features) -> Features:
            return Features(side.vectors.cuda(), logits_of(side).cuda(), side.extractor)

        fake, real, asked = features(1200, seed=1), features(1200, seed=2), torch.arange(1200) % 5
        values = measure(on_cuda(fake), on_cuda(real), asked=asked)
        assert values == pytest.approx(measure(fake, real, asked=asked), rel=1e-10)

    def test_does_not_depend_on_order(self) -> None:
        fake, real, asked = features(seed=1), features(seed=2), torch.arange(60) % 5
        order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
        shuffled = Features(fake.vectors[order], logits_of(fake)[order], fake.extractor)
        reversed_real = Features(real.vectors.flip(0), logits_of(real).flip(0), real.extractor)
        one, two = measure(fake, real, asked=asked), measure(shuffled, reversed_real, asked=asked[order])
        assert two == pytest.approx(one, rel=1e-9)

    @pytest.mark.parametrize("side", ["fake", "real"])
    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_rows_that_are_not_finite_are_named_and_counted(self, side: str, value: float) -> None:
        good, bad = features(seed=1), features(seed=2)
        bad.vectors[[3, 17], 2] = value
        pair = (bad, good) if side == "fake" else (good, bad)
        with pytest.raises(GanZooError, match=f"{side} features of extractor 'some-cnn': 2 of 60 rows"):
            measure(*pair)

    def test_logits_that_are_not_finite_are_refused(self) -> None:
        bad = features(seed=1)
        logits_of(bad)[0] = math.nan
        with pytest.raises(GanZooError, match="fake logits of extractor 'some-cnn': 1 of 60 rows"):
            measure(bad, features(seed=2))

    @pytest.mark.parametrize(
        ("fake", "real", "message"),
        [
            (features(59), features(60), "59 fake images against 60 real ones"),
            (features(), features(extractor="other"), "extractor 'some-cnn', real ones of 'other'"),
            (features(5), features(5), "at least 6"),
        ],
        ids=["unequal", "other extractor", "too few"],
    )
    def test_sets_that_cannot_be_compared_are_refused(self, fake: Features, real: Features, message: str) -> None:
        with pytest.raises(GanZooError, match=message):
            measure(fake, real)

    def test_names_that_cannot_be_served_are_refused(self) -> None:
        bare = Features(features().vectors, None, "bare-cnn")
        with pytest.raises(GanZooError, match="did you mean 'coverage'"):
            measure(features(), features(), names=["coverge"])
        with pytest.raises(GanZooError, match="'bare-cnn' gives no logits"):
            measure(bare, bare, names=["is"])
        with pytest.raises(GanZooError, match="asked for"):
            measure(features(), features(), names=["label_accuracy"])


@pytest.mark.parametrize(
    "function",
    [metrics.frechet_distance, metrics.kernel_distance, metrics.precision_recall, metrics.density_coverage],
    ids=lambda function: function.__name__,
)
class TestEveryDistance:
    def test_refuses_a_nan(self, function: Callable[[Tensor, Tensor], object]) -> None:
        bad = normal(20, 3)
        bad[4, 1] = math.nan
        for pair in ((bad, normal(20, 3)), (normal(20, 3), bad)):
            with pytest.raises(GanZooError, match="1 of 20 rows are not finite"):
                function(*pair)

    def test_refuses_unequal_counts_and_dimensions(self, function: Callable[[Tensor, Tensor], object]) -> None:
        with pytest.raises(GanZooError, match="N must be equal"):
            function(normal(20, 3), normal(21, 3))
        with pytest.raises(GanZooError, match="one extractor for both"):
            function(normal(20, 3), normal(20, 4))

    def test_refuses_other_shapes_and_too_few_rows(self, function: Callable[[Tensor, Tensor], object]) -> None:
        with pytest.raises(GanZooError, match="shape"):
            function(torch.zeros(20), torch.zeros(20))
        with pytest.raises(GanZooError, match="at least"):
            function(normal(1, 3), normal(1, 3))


def test_every_measure_is_described() -> None:
    for name, metric in metrics.METRICS.items():
        assert metric.name == name
        assert metric.better in ("lower", "higher")
        assert all((metric.title, metric.range, metric.meaning, metric.misleads, metric.source))
