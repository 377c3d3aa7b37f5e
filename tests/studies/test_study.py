import io

import pytest
import torch
from PIL import Image

from gan_zoo import api, studies
from gan_zoo.errors import GanZooError
from gan_zoo.studies.records import Measure, read_record
from gan_zoo.studies.study import Picture, Studied, Study, check_positive, study
from gan_zoo.studies.trained import NotApplicable, find_trained

MEAN = Measure("mean", "Mean", "", "Mean pixel.")


@study(name="walk", title="Mean", question="How bright?", reading="", source="", measures=[MEAN])
def brightness(trained, *, num_samples=4):
    images = trained.sampler(num_samples)
    if num_samples == 13:
        raise NotApplicable("thirteen images bring bad luck")
    sheet = Image.fromarray(images[0, 0].numpy())
    rows = [("mean", "trained", float(images.float().mean())), ("mean", "black", 0.0)]
    return Studied(rows, lambda: [Picture("first", "The first image.", sheet, frames=[sheet, sheet.rotate(90)])])


@pytest.fixture(scope="module")
def run():
    return api.train("gan", "digits", steps=2)


@pytest.fixture(scope="module")
def saved(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "gan.safetensors"
    run.save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "gan"
    api.train("gan", "digits", steps=2, seed=3, out=out, evaluate=False)
    return out


def test_a_run_and_its_checkpoint_are_the_same_trained_gan(run, saved):
    (of_run,), (of_file,) = find_trained(run), find_trained(saved)
    assert torch.equal(of_run.sampler(5), of_file.sampler(5))
    images = torch.rand(3, *of_run.shape)
    assert torch.equal(of_run.discriminator(images), of_file.discriminator(images))
    for found in (of_run, of_file):
        assert (found.name, found.seed, found.shape, found.data_name) == ("gan", 0, (1, 32, 32), "digits")
        assert not found.discriminator.training
        for network in (found.sampler.generator, found.discriminator):
            assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_study_does_not_change_the_run_that_it_is_of(run):
    brightness(run)
    for network in run.state.networks:
        assert all(parameter.requires_grad for parameter in network.parameters())


def test_trained_gans_of_a_folder_have_their_records(folder):
    (found,) = find_trained(folder)
    assert (found.name, found.seed, found.folder) == ("gan", 3, folder)
    assert found.record is not None
    assert found.record.status == "ok"


def test_untrained_networks_are_the_initial_ones_of_the_seed(run, saved):
    (trained,) = find_trained(saved)
    before = torch.get_rng_state()
    first, second = trained.untrained(), trained.untrained()
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(first.discriminator.parameters(), second.discriminator.parameters(), strict=True):
        assert torch.equal(one, other)
    trained_weights = next(trained.discriminator.parameters())
    assert not torch.equal(next(first.discriminator.parameters()), trained_weights)


def test_data_is_loaded_at_the_side_and_channels_of_the_images(saved):
    (trained,) = find_trained(saved)
    assert tuple(trained.load_data().train.images.shape[1:]) == trained.shape
    assert trained.load_data(side=8).train.images.shape[2:] == (8, 8)
    assert trained.load_data() is trained.load_data()


@pytest.mark.parametrize(("choice", "key_word"), [({"variants": ["dcgan"]}, "dcgan"), ({"seeds": [9]}, "checkpoint")])
def test_what_a_folder_does_not_have_is_one_line(folder, choice, key_word):
    with pytest.raises(GanZooError, match=key_word):
        find_trained(folder, **choice)


def test_a_source_of_another_type_is_one_line():
    with pytest.raises(GanZooError, match="results folder"):
        find_trained(7)


def test_a_result_has_a_table_a_summary_and_pictures(run, tmp_path):
    found = brightness(run, num_samples=3)
    assert list(found.table["condition"]) == ["trained", "black"]
    value = float(run.sampler(3).float().mean())
    assert found.table["value"].tolist() == pytest.approx([value, 0.0])
    assert found.summary["difference_mean"].iloc[1] == pytest.approx(value)
    record = read_record(found.save(tmp_path))
    assert record.settings == {"num_samples": 3}
    assert record.provenance["device"]
    assert (record.provenance["data"], record.provenance["extractor"]) == ("digits", "digits-cnn")
    (picture,) = record.pictures
    with Image.open(tmp_path / picture.file) as animated, Image.open(tmp_path / picture.still) as still:
        assert (animated.n_frames, animated.size) == (2, (32, 32))
        assert still.size == (32, 32)
    assert found.show().size == (32, 32)
    assert "How bright?" in found._repr_html_()
    assert io.StringIO(repr(found)).readline().startswith("StudyResult(walk")


def test_pictures_are_those_of_the_first_seed_of_each_variant(run):
    (trained,) = find_trained(run)
    seen = []
    found = brightness([trained, trained], on_run=lambda one, place, of: seen.append((one.name, place, of)))
    assert len(found.record.pictures) == 1
    assert len(found.record.values) == 4
    assert seen == [("gan", 0, 2), ("gan", 1, 2)]


def test_an_option_that_a_study_does_not_have_is_one_line(run):
    with pytest.raises(GanZooError, match="num_samples"):
        brightness(run, num_sample=3)


def test_a_study_without_an_answer_says_why(run):
    with pytest.raises(NotApplicable, match="luck"):
        brightness(run, num_samples=13)


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True, 10**9])
def test_a_count_that_does_not_fit_is_one_line(value):
    with pytest.raises(GanZooError, match="pairs"):
        check_positive("pairs", value)


def test_every_study_is_described():
    for name in studies.STUDIES:
        found = getattr(studies, name)
        assert isinstance(found, Study)
        assert found.name == name
        assert found.title
        assert found.question.endswith("?")
        assert found.reading
        assert found.source
        assert found.measures
        assert all(type(value) in (int, float, str, type(None)) for value in found.options.values())
