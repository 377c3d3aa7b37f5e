"""The page in Chromium: its images against torch, its controls, its speed and its accessibility."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from browsers import CHROMIUM, DARK, LIGHT, NARROW, WIDE, html_faults, needs_html_checker, opened, opened_with
from playwright.sync_api import Page

from gan_zoo.data import to_uint8
from gan_zoo.explore.page import write_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium and no Chrome on PATH: .ci/browser installs one"),
]
NAMES = ["cgan", "dcgan", "dcgan28", "dcgan_paper", "dcgan_keras", "infogan", "r3gan", "other"]
GENERATORS = "const generators = JSON.parse(document.querySelector('#content').textContent);"
# A copy is read: Chromium warns of a canvas that is read often.
CANVAS = """canvas => {
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    return Array.from(context.getImageData(0, 0, copy.width, copy.height).data);
}"""


@pytest.fixture(scope="module")
def every_page(browser, networks, tmp_path_factory) -> Iterator[Page]:
    """A page with all networks."""
    path, left_out = write_page(list(networks.values()), tmp_path_factory.mktemp("all") / "page.html")
    assert left_out == []
    with opened(browser, path) as page:
        yield page


@pytest.fixture(scope="module")
def file(recorded, networks, tmp_path_factory):
    """The file of a page with ``cgan``, ``dcgan28`` and narrow ``dcgan``."""
    path, _ = write_page([*recorded, networks["dcgan"]], tmp_path_factory.mktemp("some") / "page.html")
    return path


@pytest.fixture
def page(browser, file, request) -> Iterator[Page]:
    """The page with ``cgan`` and ``dcgan28``."""
    with opened(browser, file, **getattr(request, "param", {})) as page:
        yield page


def shown(canvas):
    """The pixels of a canvas, (H, W, 3)."""
    height, width = (int(canvas.get_attribute(name)) for name in ("height", "width"))
    return np.array(canvas.evaluate(CANVAS)).reshape(height, width, 4)[..., :3]


def pixels_of(generator, latent, label=None):
    """What torch draws of one latent, (H, W, 1 or 3)."""
    labels = [] if label is None else [torch.tensor([label])]
    return to_uint8(generator(torch.as_tensor(latent, dtype=torch.float32)[None], *labels))[0].permute(1, 2, 0).numpy()


def settled(page):
    """Wait until the map is drawn."""
    page.wait_for_timeout(50)
    page.wait_for_selector("#map:not(.stale)", timeout=60_000)


@pytest.mark.parametrize("name", NAMES)
def test_images_are_those_of_torch(every_page, networks, rounded, name):
    """100 random latents, within 1/255 of torch with the same float16 kernels."""
    latents, *labels = networks[name].sampler.draw(100, seed=1)
    classes = labels[0].tolist() if labels else []
    draw = f"""([place, latents, classes]) => {{
        {GENERATORS}
        const network = Network.load(generators[place].network);
        return latents.map((latent, index) => {{
            const shares = Array.from({{ length: 10 }}, (_, label) => Number(label === classes[index]));
            return Array.from(Network.pixels(Network.generate(network, latent, shares)).data);
        }});
    }}"""
    found = np.array(every_page.evaluate(draw, [list(networks).index(name), latents.tolist(), classes]))
    expected = to_uint8(rounded(networks[name].sampler.generator)(latents, *labels)).permute(0, 2, 3, 1).numpy()
    found = found.reshape(*expected.shape[:3], 4)[..., :3]
    assert np.abs(found - expected.astype(int)).max() <= 1
    assert expected.std() > 10


def test_every_float16_is_read(every_page):
    """All 65,536 but the ones that are not finite, which are not exported."""
    halves = np.arange(65_536, dtype=np.uint16)
    expected = halves.view(np.float16).astype(np.float64)
    read = """bytes => {
        const text = btoa(bytes.map((byte) => String.fromCharCode(byte)).join(""));
        return Array.from(Network.load({ layers: [{ kernel: [0, 65536] }], kernels: text, vectors: "" })[0].kernel);
    }"""
    found = np.array(every_page.evaluate(read, list(halves.tobytes())))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[finite], expected[finite])


def test_latents_have_their_distributions(every_page, networks):
    parts = [vars(part) for part in networks["other"].variant.latent.parts]
    draw = "([parts, seeds]) => seeds.map((seed) => Latents.draw(parts, seed))"
    drawn = np.array(every_page.evaluate(draw, [parts, list(range(4_000))]))
    reference = networks["other"].sampler.draw(100_000)[0].numpy()
    np.testing.assert_allclose(drawn.mean(axis=0), reference.mean(axis=0), atol=0.06)
    np.testing.assert_allclose(drawn.std(axis=0), reference.std(axis=0), atol=0.06)
    assert (drawn.min(axis=0)[1:] >= [-0.5, 2, 2, 0, 0]).all()
    assert (drawn.max(axis=0)[1:] <= [1, 3, 3, 1, 1]).all()
    assert np.abs(np.corrcoef(drawn[:, :4].T) - np.eye(4)).max() < 0.06
    assert every_page.evaluate(draw, [parts, [7, 7]])[1] == drawn[7].tolist()


@pytest.mark.parametrize("name", ["other", "cgan"])
def test_walk_is_that_of_the_latent(every_page, networks, name):
    trained = networks[name]
    first, second = trained.sampler.draw(2, seed=4)[0]
    expected = trained.variant.latent.interpolate(first, second, 5)
    walk = "([parts, a, b]) => [0, 0.25, 0.5, 0.75, 1].map((share) => Latents.interpolate(parts, a, b, share))"
    parts = [vars(part) for part in trained.variant.latent.parts]
    found = every_page.evaluate(walk, [parts, first.tolist(), second.tolist()])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_controls_choose_the_image(page, networks, rounded):
    """Class, latent, position on the map and the walk, each at once on both sides."""
    page.locator("#label-of-latent label").nth(3).click()
    page.locator("#latent").fill("12")
    page.locator("#target").fill("13")
    page.locator("#target-label").select_option("3")
    page.locator("#share").fill("0.5")
    pad = page.locator("#pad")
    for key in ("Shift+ArrowRight", "ArrowRight", "Shift+ArrowDown"):
        pad.press(key)
    settled(page)
    assert "+0.60" in page.locator("#position").inner_text()
    both = page.evaluate(f"""() => {{
        {GENERATORS}
        const draw = (parts) => [12, 13].map((seed) => Latents.draw(parts, seed));
        return generators.map(({{ parts, directions }}) => [...draw(parts), directions]);
    }}""")
    for place, (name, label) in enumerate({"cgan": 3, "dcgan28": None}.items()):
        first, second, directions = map(torch.tensor, both[place])
        middle = networks[name].variant.latent.interpolate(first, second, 3)[1]
        latent = middle + 0.6 * directions[0] - 0.5 * directions[1]
        if name == "cgan":
            latent = latent.clamp(0, 1)
        expected = pixels_of(rounded(networks[name].sampler.generator), latent, label)
        assert np.abs(shown(page.locator(".image").nth(place)) - expected.astype(int)).max() <= 1
        assert page.locator(".image").nth(place).get_attribute("aria-label").startswith(f"image by {name}")


def test_walk_mixes_the_embeddings_of_two_classes(page, networks, rounded):
    page.locator("#target").fill("0")
    page.locator("#label-of-latent label").nth(1).click()
    page.locator("#target-label").select_option("7")
    page.locator("#share").fill("0.25")
    settled(page)
    generator = rounded(networks["cgan"].sampler.generator)
    embedding = generator.label.embedding.weight
    embedding[0] = 0.75 * embedding[1] + 0.25 * embedding[7]
    latent = page.evaluate(f"() => {{ {GENERATORS} return Latents.draw(generators[0].parts, 0); }}")
    expected = pixels_of(generator, latent, 0)
    assert np.abs(shown(page.locator(".image").first) - expected.astype(int)).max() <= 1
    assert "digit 1 to digit 7" in page.locator(".panel figcaption").first.inner_text()


def test_map_and_strip_show_what_the_image_becomes(page):
    settled(page)
    tile = shown(page.locator("#map"))[64:96, 64:96]
    np.testing.assert_array_equal(tile, shown(page.locator(".image").first))
    strip = shown(page.locator(".strip").first)
    np.testing.assert_array_equal(strip[:, :32], tile)
    right = shown(page.locator("#map"))[64:96, 96:128]
    for _ in range(2):
        page.locator("#pad").press("Shift+ArrowRight")
    page.locator("#share").fill("0")
    page.wait_for_timeout(100)
    np.testing.assert_array_equal(shown(page.locator(".image").first), right)
    page.locator("#pad").press("Home")
    page.locator("#share").fill("1")
    page.wait_for_timeout(100)
    np.testing.assert_array_equal(shown(page.locator(".image").first), strip[:, -32:])


def test_new_latents_are_written_into_their_fields(page):
    settled(page)
    before = shown(page.locator(".image").first)
    page.locator("#new-latent").click()
    page.wait_for_timeout(100)
    assert page.locator("#latent").input_value() != "0"
    assert (shown(page.locator(".image").first) != before).any()
    page.locator("#latent").fill("0")
    page.wait_for_timeout(100)
    np.testing.assert_array_equal(shown(page.locator(".image").first), before)


def test_generators_are_chosen_on_each_side(page):
    settled(page)
    left = shown(page.locator(".image").first)
    page.locator("select[aria-label='generator, right']").select_option(label="cgan")
    settled(page)
    np.testing.assert_array_equal(shown(page.locator(".image").nth(1)), left)
    assert shown(page.locator("#map")).any(), "the map is drawn again"
    for side in ("left", "right"):
        page.locator(f"select[aria-label='generator, {side}']").select_option(label="dcgan28")
    settled(page)
    assert shown(page.locator(".image").first).shape == (28, 28, 3)
    assert page.locator("#label-of-latent").is_hidden(), "no class for generators without labels"


@pytest.mark.parametrize("names", [("cgan", "dcgan"), ("cgan", "cgan"), ("dcgan", "dcgan")], ids="-".join)
def test_dragging_draws_30_frames_a_second(page, names):
    for side, name in zip(("left", "right"), names, strict=True):
        page.locator(f"select[aria-label='generator, {side}']").select_option(label=name)
    settled(page)
    drag = """() => new Promise((resolve) => {
        const pad = document.querySelector("#pad"), box = pad.getBoundingClientRect();
        const send = (type, place) => {
            const [clientX, clientY] = [box.left + 60 + (place * 3) % 200, box.top + 60 + (place * 2) % 200];
            pad.dispatchEvent(new PointerEvent(type, { pointerId: 1, bubbles: true, clientX, clientY }));
        };
        let isHeld = false, frames = 0, images = 0;
        pad.setPointerCapture = () => { isHeld = true; };
        pad.hasPointerCapture = () => isHeld;
        const generate = Network.generate;
        Network.generate = (...inputs) => { images++; return generate(...inputs); };
        send("pointerdown", 0);
        const begun = performance.now();
        const frame = () => {
            const seconds = (performance.now() - begun) / 1000;
            if (seconds > 2) return resolve([frames / seconds, images / seconds]);
            frames++;
            send("pointermove", frames);
            requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
    })"""
    frames, images = page.evaluate(drag)
    print(f"{names}: {frames:.1f} frames and {images:.1f} images a second")
    assert frames >= 30
    assert images >= 2 * 29, "both images in each frame"


def test_pointer_drags(page):
    settled(page)
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3, box["y"] + box["height"] * 0.1)
    assert page.locator("#position").inner_text() == "across +2.50, up +2.00"
    page.mouse.up()
    page.mouse.move(box["x"], box["y"])
    assert page.locator("#position").inner_text() == "across +2.50, up +2.00"
    page.locator("#middle").click()
    assert page.locator("#position").inner_text() == "across +0.00, up +0.00"


def positions(page, button, slider, milliseconds):
    """The values of a slider while its button plays it."""
    page.locator(button).click()
    record = """([slider, milliseconds]) => new Promise((resolve) => {
        const found = [], begun = performance.now();
        const look = () => {
            found.push(Number(document.querySelector(slider).value));
            performance.now() - begun < milliseconds ? requestAnimationFrame(look) : resolve(found);
        };
        look();
    })"""
    found = page.evaluate(record, [slider, milliseconds])
    page.locator(button).click()
    assert page.locator(button).inner_text() == "Play"
    stopped = page.locator(slider).input_value()
    page.wait_for_timeout(200)
    assert page.locator(slider).input_value() == stopped
    return found


def test_walk_plays_there_and_back(page):
    found = positions(page, "#play-walk", "#share", 5_500)
    assert len(set(found)) > 50
    assert max(found) > 0.99
    assert found[-1] < 0.9


@opened_with({"reduced_motion": "reduce"})
def test_reduced_motion_steps(page):
    found = positions(page, "#play-walk", "#share", 2_200)
    assert 3 <= len(set(found)) <= 6
    assert {round(8 * each) / 8 for each in found} == set(found)
    assert page.locator("#map").evaluate("map => getComputedStyle(map).transitionDuration") == "0s"


def test_training_is_scrubbed(page):
    captions = page.locator(".sheets figcaption")
    pictures = page.locator(".sheets img")
    seen = page.locator("#seen")
    assert captions.all_inner_texts() == ["cgan, 400 images seen", "dcgan28, 400 images seen"]
    last = pictures.first.get_attribute("src")
    seen.fill("0")
    assert captions.all_inner_texts() == ["cgan, 100 images seen", "dcgan28: none recorded"]
    assert pictures.first.get_attribute("src") != last
    assert pictures.nth(1).is_hidden()
    seen.press("ArrowRight")
    assert captions.all_inner_texts() == ["cgan, 100 images seen", "dcgan28, 200 images seen"]
    assert seen.get_attribute("aria-valuetext") == "200"
    assert pictures.nth(1).evaluate("image => image.complete && image.naturalWidth") == 5 * 28
    assert set(positions(page, "#play-training", "#seen", 3_000)) == {0, 1, 2}


def test_keyboard_reaches_every_control(page):
    settled(page)
    focusable = ":is(a[href], button, input:not([type=radio]), input[type=radio]:checked, select, [tabindex]):visible"
    controls = page.locator(focusable)
    expected = controls.evaluate_all("all => all.map((each, index) => each.dataset.order = String(index))")
    assert len(expected) > 12
    reached = []
    for _ in expected:
        page.keyboard.press("Tab")
        order, outline = page.locator(":focus").evaluate("""each => {
            const marked = each.type === "radio" ? each.nextElementSibling : each;
            return [each.dataset.order, getComputedStyle(marked).outlineStyle];
        }""")
        reached.append(order)
        assert outline != "none", order
    assert reached == expected


@opened_with(*(width | scheme for width in (WIDE, NARROW) for scheme in (LIGHT, DARK)))
def test_is_accessible_and_fits(page):
    settled(page)
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []
    assert page.evaluate("document.scrollingElement.scrollWidth") <= page.viewport_size["width"]
    boxes = [page.locator(canvas).first.bounding_box() for canvas in ("#map", ".image", ".strip")]
    assert all(box["x"] + box["width"] <= page.viewport_size["width"] for box in boxes)


@opened_with(WIDE)
def test_first_screen_shows_images_and_walk(page):
    settled(page)
    for part in ("#map", ".image >> nth=1", ".strip >> nth=0"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= 800, part


@opened_with({"java_script_enabled": False})
def test_without_scripts_it_says_so(page):
    assert page.locator(".banner").is_visible()
    assert page.locator(".scripted:visible").count() == 0


@needs_html_checker
def test_is_valid_html(file):
    assert html_faults(file) == []
