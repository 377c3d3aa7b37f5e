import json

import pytest

VERSIONS = {"torch": "2.9.0", "torchvision": "0.24.0"}
MNIST = {
    "name": "mnist",
    "title": "MNIST",
    "fingerprint": "cd" * 32,
    "shape": [1, 32, 32],
    "kind": "images",
    "classes": 10,
}


@pytest.fixture(autouse=True)
def _own(own_registry):
    """What a test registers is gone after it."""


@pytest.fixture
def write(tmp_path):
    """Writes a folder of finished runs: ``write("a", gan=[20.0, "diverged", None])``, None for an unfinished seed."""

    def make(
        name,
        *,
        num_samples=2000,
        extractor=("mnist-cnn", "ab" * 32),
        data=MNIST,
        precision="fp32",
        versions=VERSIONS,
        images=96_000,
        metric="fid",
        reference="test",
        settings=None,
        run="",
        device="cpu",
        **variants,
    ):
        folder, names = tmp_path / name, []
        (folder / "records").mkdir(parents=True)
        shared = {"precision": precision, "device": device, "code": "11" * 32}
        for variant, outcomes in {"real": [0.5], **variants}.items():
            described = {"variant": {"title": variant, "batch_size": 64, **(settings or {})}}
            for seed, outcome in enumerate(outcomes):
                run_name = f"{variant}-seed{seed}-{run or name.replace('/', '')}"
                begin = {
                    "row": "begin",
                    "variant": variant,
                    "seed": seed,
                    "data": data["name"],
                    "preset": "quick",
                    "title": variant,
                    "precision": precision,
                    "overrides": [],
                    "identity": shared | ({} if variant == "real" else described),
                }
                value = outcome if isinstance(outcome, float) else 999.0
                measured = {
                    "row": "metrics",
                    "step": 100,
                    "images": images,
                    "seconds": 1.0,
                    "fraction": 1.0 if isinstance(outcome, float) else 0.5,
                    "extractor": extractor[0],
                    "num_samples": num_samples,
                    "weights": "raw",
                    "reference": reference,
                    "values": {metric: value},
                }
                status = outcome if isinstance(outcome, str) else "ok"
                end = {"row": "end", "status": status, "steps": 100, "images": images, "seconds": 1.0}
                rows = [begin, measured] + ([end] if outcome is not None else [])
                text = "".join(json.dumps(row) + "\n" for row in rows)
                (folder / "records" / f"{run_name}.jsonl").write_text(text)
                names.append(run_name)
        manifest = {
            "runs": names,
            "preset": "quick",
            "variants": list(variants),
            "seeds": list(range(max(map(len, variants.values())))),
            "data": data,
            "extractors": {extractor[0]: {"digest": extractor[1]}},
            "num_samples": num_samples,
            "budget": {"images": images},
            "ranked_by": metric,
            "precision": precision,
            "versions": versions,
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return make
