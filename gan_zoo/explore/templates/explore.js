(() => {
  const TILES = 5, STEPS = 9; // of the map's side, of a strip
  const LIMIT = TILES / 2; // standard deviations at the edge of the map: its tiles lie one apart
  const REST = 150, BUDGET = 10; // milliseconds without a change before the map is drawn, and of drawing it per frame
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (selector, from = document) => from.querySelector(selector);
  document.documentElement.classList.add("js");
  const generators = JSON.parse(one("#content").textContent);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const state = { latent: 0, target: 1, share: 0, x: 0, y: 0, label: 0, targetLabel: 0 };

  /* The latent and the shares of the classes at a share of the way and a position on the map. */
  const inputs = (generator, { share, x, y }) => {
    const { parts } = generator;
    const [first, second] = [state.latent, state.target].map((seed) => Latents.draw(parts, seed));
    const latent = Latents.shift(parts, Latents.interpolate(parts, first, second, share), generator.directions, [x, y]);
    const shares = generator.class_names.map((_, label) => (label === state.label) * (1 - share) + (label === state.targetLabel) * share);
    return [latent, shares];
  };

  const draw = (generator, at) => {
    generator.loaded ||= Network.load(generator.network);
    const begun = performance.now();
    const pixels = Network.pixels(Network.generate(generator.loaded, ...inputs(generator, at)));
    generator.times = [...(generator.times || []).slice(-29), performance.now() - begun];
    return pixels;
  };
  const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

  /* A canvas of columns x rows tiles, each pixel an integer number of CSS pixels wide. */
  const size = (canvas, { width, height }, columns, rows, zoom) => {
    canvas.width = width * columns;
    canvas.height = height * rows;
    canvas.style.width = `${canvas.width * zoom}px`;
  };

  // Images at once, on each change.
  const map = one("#map"), pad = one("#pad"), handle = one("#handle");
  const panels = all(".panel").map((figure, place) => ({
    select: one("select", figure), image: one(".image", figure), caption: one("figcaption", figure),
    strip: all(".strip")[place], name: all(".strips .name")[place], sheet: all(".sheets figure")[place],
    get generator() { return generators[this.select.value]; },
  }));

  const drawImage = (panel) => panel.image.getContext("2d").putImageData(draw(panel.generator, state), 0, 0);

  const nameOf = (label) => one(`#label-of-latent input[value="${label}"] + span`).textContent;
  const describe = (panel) => {
    const { name, class_names, speed } = panel.generator;
    const [from, to] = [state.label, state.targetLabel].map((label) => (class_names.length ? nameOf(label) : ""));
    const asked = !from ? "no class" : state.share === 0 || from === to ? `class ${from}` : `class ${from} to ${to}`;
    panel.image.setAttribute("aria-label", `image by ${name}, ${asked}`);
    panel.caption.textContent = [asked, speed].filter(Boolean).join(" \u00b7 ");
    panel.strip.setAttribute("aria-label", `${STEPS} images by ${name} from the first latent to the second`);
    panel.name.textContent = name;
  };

  const mapJobs = () => {
    const { generator } = panels[0], context = map.getContext("2d"), middle = (TILES - 1) / 2;
    const places = Array.from({ length: TILES ** 2 }, (_, place) => [place % TILES - middle, middle - Math.floor(place / TILES)]);
    places.sort((a, b) => Math.hypot(...a) - Math.hypot(...b));
    return places.map(([x, y]) => () => {
      const pixels = draw(generator, { share: state.share, x, y });
      context.putImageData(pixels, (x + middle) * generator.width, (middle - y) * generator.height);
    });
  };

  const stripJobs = ({ generator, strip }) => Array.from({ length: STEPS }, (_, place) => () => {
    const pixels = draw(generator, { share: place / (STEPS - 1), x: state.x, y: state.y });
    strip.getContext("2d").putImageData(pixels, place * generator.width, 0);
  });

  // What takes many images: each is drawn when nothing that it shows has changed for a while, a few tiles a frame.
  const slow = [
    { jobs: mapJobs, shows: () => [panels[0].select.value, state.share] },
    { jobs: () => panels.flatMap(stripJobs), shows: () => [panels.map((panel) => panel.select.value), state.x, state.y] },
  ];
  let queue = [], isChanged = false, isRequested = false;

  const schedule = (drawing) => {
    const key = String([drawing.shows(), state.latent, state.target, state.label, state.targetLabel]);
    if (key === drawing.key) return;
    drawing.key = key;
    queue = queue.filter((job) => job.drawing !== drawing);
    if (drawing === slow[0]) map.classList.add("stale");
    clearTimeout(drawing.timer);
    drawing.timer = setTimeout(() => {
      queue.push(...[...drawing.jobs(), finish].map((run) => ({ drawing, run: () => run(drawing) })));
      request();
    }, REST);
  };

  const finish = (drawing) => {
    if (drawing === slow[0]) map.classList.remove("stale");
    for (const { generator } of panels) generator.speed = `${median(generator.times).toFixed(1)} ms per image`;
    panels.forEach(describe);
  };

  const request = () => {
    if (!isRequested) requestAnimationFrame(frame);
    isRequested = true;
  };

  const frame = () => {
    isRequested = false;
    if (isChanged) panels.forEach(drawImage);
    isChanged = false;
    const end = performance.now() + BUDGET;
    while (queue.length && performance.now() < end) queue.shift().run();
    if (queue.length) request();
  };

  const change = (values) => {
    Object.assign(state, values);
    handle.style.left = `${(0.5 + state.x / TILES) * 100}%`;
    handle.style.top = `${(0.5 - state.y / TILES) * 100}%`;
    const [across, up] = [state.x, state.y].map((value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(2)}`);
    one("#position").value = `across ${across}, up ${up}`;
    panels.forEach(describe);
    slow.forEach(schedule);
    isChanged = true;
    request();
  };

  // The map: pointer and keys.
  const bounded = (value) => Math.max(-LIMIT, Math.min(LIMIT, value));
  const point = (event) => {
    const box = pad.getBoundingClientRect();
    change({ x: bounded(((event.clientX - box.left) / box.width - 0.5) * TILES), y: bounded((0.5 - (event.clientY - box.top) / box.height) * TILES) });
  };
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    point(event);
  });
  pad.addEventListener("pointermove", (event) => { if (pad.hasPointerCapture(event.pointerId)) point(event); });
  pad.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.5 : 0.1;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowDown: [0, -step], ArrowUp: [0, step], Home: [-state.x, -state.y] };
    if (!moves[event.key]) return;
    event.preventDefault();
    change({ x: bounded(state.x + moves[event.key][0]), y: bounded(state.y + moves[event.key][1]) });
  });
  one("#middle").addEventListener("click", () => change({ x: 0, y: 0 }));

  // Latents and classes.
  for (const name of ["latent", "target"]) {
    const input = one(`#${name}`);
    input.addEventListener("input", () => { if (input.validity.valid && input.value) change({ [name]: Number(input.value) }); });
    one(`#new-${name}`).addEventListener("click", () => {
      input.value = Math.floor(Math.random() * 1e6);
      change({ [name]: Number(input.value) });
    });
  }
  const chooseLabel = () => {
    const label = Number((one("#label-of-latent input:checked") || { value: 0 }).value), target = one("#target-label").value;
    change({ label, targetLabel: target === "" ? label : Number(target) });
  };
  for (const input of [...all("#label-of-latent input"), one("#target-label")]) input.addEventListener("input", chooseLabel);

  // Sliders that play: there and back, or round; in single steps if motion is to be reduced.
  const player = (button, slider, seconds, steps, isRound) => {
    let from = 0, before = 0, direction = 1;
    const range = Number(slider.max);
    const advance = (now) => {
      if (!before) return;
      const wait = isRound || still.matches ? (1000 * seconds) / steps : 0;
      if (now - before >= wait) {
        const moved = from + direction * range * (wait ? 1 / steps : (now - before) / 1000 / seconds);
        if (moved > range || moved < 0) direction = isRound ? 1 : -direction;
        from = isRound && moved > range + 1e-9 ? 0 : Math.max(0, Math.min(range, moved));
        before = now;
        slider.value = from;
        slider.dispatchEvent(new Event("input"));
      }
      requestAnimationFrame(advance);
    };
    slider.addEventListener("input", (event) => { if (event.isTrusted) from = Number(slider.value); });
    button.addEventListener("click", () => {
      button.textContent = before ? "Play" : "Pause";
      from = Number(slider.value);
      before = before ? 0 : performance.now();
      if (before) requestAnimationFrame(advance);
    });
  };

  const share = one("#share");
  share.addEventListener("input", () => {
    share.setAttribute("aria-valuetext", `${Math.round(100 * share.value)}% of the way`);
    change({ share: Number(share.value) });
  });
  player(one("#play-walk"), share, 4, STEPS - 1, false);

  // Training: of each generator the last sheet up to the chosen number of images.
  const seen = one("#seen");
  const scrub = () => {
    const images = Number(seen.dataset.images.split(" ")[seen.value]);
    seen.setAttribute("aria-valuetext", images.toLocaleString("en"));
    one("#seen-text").value = images.toLocaleString("en");
    for (const { generator, sheet } of panels) {
      const found = generator.frames.filter((each) => each.images <= images).pop(), picture = one("img", sheet);
      picture.hidden = !found;
      if (found) {
        picture.src = found.source;
        picture.style.width = `${found.width * Math.max(1, Math.floor(64 / generator.width))}px`;
        picture.alt = `samples of ${generator.name}`;
      }
      one("figcaption", sheet).textContent = found ? `${generator.name}, ${found.images.toLocaleString("en")} images seen` : `${generator.name}: none recorded`;
    }
  };
  if (seen) {
    seen.addEventListener("input", scrub);
    player(one("#play-training"), seen, 0.7 * Number(seen.max), Number(seen.max), true);
  }

  const choose = () => {
    for (const [place, panel] of panels.entries()) {
      const { generator } = panel, zoom = Math.max(1, Math.floor(64 / generator.width));
      size(panel.image, generator, 1, 1, TILES * zoom);
      size(panel.strip, generator, STEPS, 1, zoom);
      if (place === 0) size(map, generator, TILES, TILES, zoom);
    }
    const isConditional = panels.some(({ generator }) => generator.class_names.length);
    one("#label-of-latent").hidden = one("#label-of-target").hidden = !isConditional;
    one(".stage").style.setProperty("--side", `${Math.max(...[map, ...panels.map((panel) => panel.image)].map((canvas) => parseFloat(canvas.style.width)))}px`);
    for (const drawing of slow) drawing.key = "";
    one("#mapped").textContent = panels[0].generator.name;
    if (seen) scrub();
    change({});
  };
  for (const { select } of panels) select.addEventListener("input", choose);
  choose();
})();
