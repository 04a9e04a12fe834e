"""Unpacks what tests/gpu/pack.ts has packed: unpack.py FOLDER TARGET. Python is what a machine with a GPU has for sure."""
import lzma
import os
import shutil
import sys
import tarfile

folder, target = sys.argv[1:]
os.makedirs(target, exist_ok=True)
for name in sorted(os.listdir(folder)):
    path = os.path.join(folder, name)
    if name.endswith(".tar.xz"):
        with tarfile.open(path, "r:xz") as packed:
            packed.extractall(target, filter="data")
    elif name.endswith(".xz"):
        program = os.path.join(target, name[: -len(".xz")])
        with lzma.open(path) as packed, open(program, "wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
        os.chmod(program, 0o755)
