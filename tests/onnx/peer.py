"""What ONNX Runtime and the package light-curve make of exported models.

    python peer.py task.json        {"light_curves": [{"mjd": [...], "magnitude": [...]}], "models": {name: path}}

Prints {name: {output: values of each light curve}}: of ONNX Runtime, all light curves padded to 200 points in one batch; each
in a batch of its own without padding ("... alone"), where the model is not told to see padding; and of light_curve.embed
("light_curve mean", ...), where the model has that package's outputs.
"""

import json
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
from light_curve.embed import Astromer2

warnings.simplefilter("ignore")


def batch(light_curves, length):
    tensors = np.zeros((3, len(light_curves), length, 1), np.float32)
    for i, light_curve in enumerate(light_curves):
        time, magnitude = np.array(light_curve["mjd"]), np.array(light_curve["magnitude"])
        n = len(time)
        tensors[0, i, :n, 0] = magnitude - magnitude.mean()
        tensors[1, i, :n, 0] = time - time.mean()
        tensors[2, i, :n, 0] = 1
    return dict(zip(("input", "times", "mask_in"), tensors))


def seen(name, values, light_curve):
    """Of outputs by point, those of the light curve's points."""
    n = len(light_curve["mjd"])
    return (values[:n] if name in ("sequence", "reconstruction") else values).ravel().tolist()


task = json.load(open(sys.argv[1]))
light_curves, results = task["light_curves"], {}
for model, path in task["models"].items():
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    names = [output.name for output in session.get_outputs()]
    result = results[model] = {}
    together = session.run(names, batch(light_curves, 200))
    for name, values in zip(names, together):
        result[name] = [seen(name, values[i], curve) for i, curve in enumerate(light_curves)]
    if not task.get("sees_padding", {}).get(model):
        alone = [session.run(names, batch([curve], len(curve["mjd"]))) for curve in light_curves]
        for k, name in enumerate(names):
            result[f"{name} alone"] = [seen(name, alone[i][k][0], curve) for i, curve in enumerate(light_curves)]
    for name in ("mean", "max", "sequence"):
        if name not in names:
            continue
        embed = Astromer2(session, output=name)
        result[f"light_curve {name}"] = [
            seen(name, embed(np.array(c["mjd"]), np.array(c["magnitude"]))[0, 0], c) for c in light_curves
        ]
print(json.dumps(results))
