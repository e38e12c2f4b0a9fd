"""Tests of python/mbrl_gpu against the program: MBRL_GPU_PROGRAM. `run` beside this file starts them."""
import functools
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import mbrl_gpu
import mbrl_gpu._weights
from mbrl_gpu import _train
from point_env import Outer, Point

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SMALL = {"loop": {"num_env_steps": 450, "num_exploration_steps": 200, "min_replay_size": 200, "epoch_length": 200},
         "sac": {"updates_per_step": 1}, "eval": {"interval": 150, "num_episodes": 2}, "checkpoint": {"interval": 225}}


def program(*words):
    command = [os.environ["MBRL_GPU_PROGRAM"], *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def mbpo(folder):
    seen = []
    run = mbrl_gpu.train("smoke", runs=folder, threads=1, device="cpu", seed=3, **SMALL,
                         progress=lambda step, mean: seen.append((step, mean)))
    run.seen = seen
    return run


@pytest.fixture(scope="session")
def ppo(folder):
    return mbrl_gpu.train("ppo_hopper", "pendulum", runs=folder, threads=1, device="cpu", progress=False,
                          name="small_ppo", ppo={"hidden_sizes": [8], "num_envs": 4, "steps_per_update": 32, "batch_size": 32},
                          loop__num_env_steps=512, eval__interval=500, **{"checkpoint.interval": 500})


@pytest.fixture(scope="session")
def pets(folder):
    return mbrl_gpu.train("pets_smoke", runs=folder, threads=1, device="cpu", progress=False,
                          loop={"num_env_steps": 404}, checkpoint__interval=404, model__epochs=3,
                          planner={"population": 10, "iterations": 1, "horizon": 2})


# ---- runs

def test_a_run_has_what_its_files_say(mbpo, folder):
    assert os.path.dirname(os.path.dirname(mbpo.path)) == os.path.join(folder, "smoke")
    assert mbpo.path.endswith("seed-3")
    assert mbpo.status == "done" and mbpo.summary["env_steps"] == 450
    assert mbpo.config["sac"]["updates_per_step"] == 1
    arrays = mbpo.arrays("metrics")
    assert arrays["env_steps"].tolist() == [350, 450]  # counted from the end of the exploration; and the last
    assert np.isfinite(arrays["model_loss"][0])
    assert [step for step, _ in mbpo.seen] == [350, 450]
    assert np.allclose([mean for _, mean in mbpo.seen], arrays["eval_return_mean"], atol=0.06)
    assert list(mbpo.metrics["env_steps"]) == [350, 450]
    assert len(mbpo.episodes["return"]) == 2
    assert list(mbpo.decisions) == []
    assert list(mbpo.checkpoints) == [225, 450]
    assert mbpo.checkpoint() == mbpo.checkpoints[450] == os.path.join(mbpo.path, "checkpoints", "step-000000450")
    assert mbpo.checkpoint(225).endswith("step-000000225")
    with pytest.raises(FileNotFoundError, match="no checkpoint at step 300; it has 225, 450"):
        mbpo.checkpoint(300)


def test_the_same_call_goes_on_with_the_run(mbpo, folder):
    again = mbrl_gpu.train("smoke", runs=folder, threads=1, device="cpu", seed=3, **SMALL, progress=False)
    assert again.path == mbpo.path
    assert mbrl_gpu.Run(again).path == mbrl_gpu.Run(again.path).path


def test_a_half_written_row_is_left_out(tmp_path):
    (tmp_path / "metrics.csv").write_text("a,b,c\n1,,x\n2,3.5,y\n3,4")
    arrays = mbrl_gpu.Run(tmp_path).arrays()
    assert arrays["a"].tolist() == [1, 2] and arrays["c"].tolist() == ["x", "y"]
    assert np.isnan(arrays["b"][0]) and arrays["b"][1] == 3.5
    assert mbrl_gpu.Run(tmp_path).arrays("episodes") == {}
    assert mbrl_gpu.Run(tmp_path).status == "open"


def test_the_pages_first_example_needs_no_pandas(mbpo, monkeypatch, capsys):
    with open(os.path.join(ROOT, "docs", "python.md"), encoding="utf-8") as page:
        line = re.search(r"^print\(run.*$", page.read(), re.M)[0]
    exec(line, {"run": mbpo})
    monkeypatch.setitem(sys.modules, "pandas", None)
    exec(line, {"run": mbpo})
    assert capsys.readouterr().out.count("350") >= 2


def test_folders_without_a_run_are_told():
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        mbrl_gpu.Run("nowhere")
    with pytest.raises(FileNotFoundError, match="holds no complete checkpoint"):
        mbrl_gpu.Run(ROOT).checkpoint()


# ---- policies

def exported(run, tmp_path):
    path = str(tmp_path / "p.npz")
    program("export", run.path, "--npz", path)
    return np.load(path)


@pytest.mark.parametrize("which", ["mbpo", "ppo"])
def test_a_policy_acts_as_the_program_does(which, request, tmp_path):
    run = request.getfixturevalue(which)
    policy = mbrl_gpu.Policy.load(run)
    assert (policy.observation_size, policy.action_size) == (3, 1)
    assert policy.low.tolist() == [-2] and policy.high.tolist() == [2]
    assert policy.about["env"] == "pendulum" and "pendulum" in repr(policy)
    arrays = exported(run, tmp_path)
    observation, action = arrays["test.observation"], arrays["test.action"]
    assert np.allclose(policy(observation), action, atol=1e-5)
    assert policy(observation[0]).shape == (1,) and np.allclose(policy(observation[0]), action[0], atol=1e-5)
    path = str(tmp_path / "p.safetensors")
    program("export", run.path, "--safetensors", path)
    other = mbrl_gpu.Policy.load(path)
    rows = np.random.default_rng(0).normal(size=(50, 3)) * [1, 1, 5]
    assert np.allclose(policy(rows), other(rows), atol=1e-5)
    assert np.abs(policy(rows)).max() <= 2 and policy(rows).std() > 0
    with pytest.raises(ValueError, match="an exported policy is deterministic"):
        other(rows, deterministic=False)
    with pytest.raises(ValueError, match=r"shape \(4,\); expected \(3,\)"):
        policy([0, 0, 0, 0])


def test_a_stochastic_policy_scatters_as_its_networks_say(mbpo, ppo):
    for run in (mbpo, ppo):
        policy = mbrl_gpu.Policy.load(run)
        rows = np.repeat([[0.3, 0.9, 0.5]], 20000, axis=0)
        drawn = policy(rows, deterministic=False, rng=np.random.default_rng(1))
        assert np.array_equal(drawn, policy(rows, deterministic=False, rng=np.random.default_rng(1)))
        mean = policy(rows[0])[0]
        # a squashed Gaussian's median is its squashed mean
        assert abs(np.median(drawn) - mean) < 0.1
        assert drawn.min() >= -2 and drawn.max() <= 2
    # of PPO: the share of draws beyond the bounds is a normal's
    weights, _ = mbrl_gpu._weights.read_weights(ppo.checkpoint())
    deviation = 2 * np.exp(weights["log_std"][0])
    inner = np.abs(drawn) < 2
    z = (2 - mean) / deviation, (-2 - mean) / deviation
    from math import erf, sqrt
    share = 0.5 * (erf(z[0] / sqrt(2)) - erf(z[1] / sqrt(2)))
    assert abs(inner.mean() - share) < 0.02


def test_onnx_runs_in_onnxruntime(mbpo, ppo, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    for run in (mbpo, ppo):
        path = str(tmp_path / "p.onnx")
        program("export", run.path, "--onnx", path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        rows = (np.random.default_rng(0).normal(size=(64, 3)) * [1, 1, 8]).astype(np.float32)
        rows[0] = 1e6
        action, = session.run(["action"], {"observation": rows})
        assert action.dtype == np.float32 and action.shape == (64, 1)
        assert np.allclose(action, mbrl_gpu.Policy.load(run)(rows), atol=2e-5)
        arrays = exported(run, tmp_path)
        assert np.allclose(session.run(None, {"observation": arrays["test.observation"]})[0], arrays["test.action"],
                           atol=1e-5)
        words = session.get_modelmeta().custom_metadata_map
        assert words["env"] == "pendulum" and words["format"] == "mbrl_gpu policy 1"


def test_what_has_no_policy_says_what_has_one(pets):
    with pytest.raises(ValueError, match="trained by pets, which has no policy; expected a run of mbpo"):
        mbrl_gpu.Policy.load(pets)


def test_checkpoints_of_earlier_versions_say_how_to_get_at_the_policy(tmp_path):
    old = os.path.join(ROOT, "tests", "golden", "checkpoints", "sac", "step-000000012")
    with pytest.raises(ValueError, match="mbrl_gpu export .* --safetensors policy.safetensors"):
        mbrl_gpu.Policy.load(old)
    path = str(tmp_path / "policy.safetensors")
    program("export", old, "--safetensors", path)
    assert mbrl_gpu.Policy.load(path)([0, 0, 0]).shape == (1,)
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(ValueError, match="is no safetensors file"):
        mbrl_gpu.Policy.load(str(tmp_path / "text"))


# ---- ensembles

@pytest.mark.parametrize("which", ["mbpo", "pets"])
def test_an_ensemble_has_the_loss_that_the_program_measures(which, request, tmp_path):
    run = request.getfixturevalue(which)
    bank = str(tmp_path / "bank.safetensors")
    program("eval", run.path, "--save-trajectories", bank, "--episodes", "2", "--device", "cpu", "--threads", "1")
    said = program("eval", run.path, "--model-nll", "--trajectories", bank, "--device", "cpu", "--threads", "1")
    rows = [line.split() for line in said.splitlines() if line.split()[1:2] == ["1"]]
    expected, _, _, best = map(float, rows[-1][2:])

    ensemble = mbrl_gpu.Ensemble.load(run)
    records, _ = mbrl_gpu._weights.read_safetensors(bank)
    x = records["real"]
    observation, action, reward, following = x[:, :3], x[:, 3:4], x[:, 4:5], x[:, 6:9]
    prediction = ensemble.predict(observation, action)
    change = following - observation
    if which == "pets":  # reads cosine and sine itself; see its task
        assert not ensemble.predicts_reward
    target = np.concatenate([reward, change] if ensemble.predicts_reward else [change], axis=1)
    if not np.array_equal(ensemble._absolute, np.zeros(3, bool)):
        target[:, -3:] = np.where(ensemble._absolute, following, change)
    assert prediction.mean.shape == prediction.variance.shape == (3, len(x), target.shape[1])
    loss = (prediction.mean - target) ** 2 / prediction.variance + np.log(prediction.variance)
    of_member = loss.mean(axis=(1, 2))
    assert of_member.mean() == pytest.approx(expected, rel=2e-3)
    assert of_member.min() == pytest.approx(best, rel=2e-3)
    first = 1 if ensemble.predicts_reward else 0
    assert np.allclose(ensemble.next_observation(observation, action) - np.where(ensemble._absolute, 0, observation),
                       prediction.mean[:, :, first:first + 3], atol=1e-5)
    assert len(ensemble) == 3 and set(ensemble.elites) <= {0, 1, 2}


def test_actions_are_normalized_and_shapes_checked(mbpo, ppo):
    ensemble = mbrl_gpu.Ensemble.load(mbpo, 225)
    assert ensemble.about["env_steps"] == "225" and len(ensemble.elites) == 2
    assert ensemble.normalize_action([[2.0], [-2.0], [0.5]]).tolist() == [[1], [-1], [0.25]]
    with pytest.raises(ValueError, match=r"\(1, 3\) and \(2, 1\); expected \(N, 3\) and \(N, 1\)"):
        ensemble.predict([0, 0, 0], [[0], [0]])
    with pytest.raises(ValueError, match="trained by ppo, which learns no model"):
        mbrl_gpu.Ensemble.load(ppo)


# ---- trainings

def test_a_class_is_served_and_its_bounds_are_the_policys(folder):
    run = mbrl_gpu.train("sac_hopper", Point, env_kwargs={"width": 0.5}, runs=folder, threads=1, device="cpu",
                         name="point", progress=False, sac={"hidden_sizes": [8], "updates_per_step": 1, "batch_size": 16},
                         loop={"num_env_steps": 120, "num_exploration_steps": 40, "min_replay_size": 40},
                         eval={"interval": 100, "num_episodes": 1}, checkpoint={"interval": 100})
    assert run.config["env"]["command"].endswith("""-m mbrl_gpu.serve point_env:Point --kwargs '{"width": 0.5}'""")
    assert abs(run.arrays("episodes")["length"] - 20).max() == 0
    policy = mbrl_gpu.Policy.load(run)
    assert policy.low.tolist() == [0] and policy.high.tolist() == [3]
    action = policy([0.1, 0.0])
    assert 0 <= action[0] <= 3


@pytest.mark.parametrize("kind", [bool, np.bool_])
def test_a_run_stops_where_progress_says_so(folder, kind):
    steps = []

    def enough(step, mean):
        steps.append(step)
        return kind(step < 400)
    small = json.loads(json.dumps(SMALL))
    small["loop"]["num_env_steps"] = 100000
    run = mbrl_gpu.train("smoke", runs=folder, threads=1, device="cpu", seed=4, resume="never", **small, progress=enough)
    assert steps[:2] == [350, 500]
    assert run.status in ("paused", "stopped") and 500 <= max(run.checkpoints) < 100000


def test_what_the_program_refuses_is_raised(folder):
    with pytest.raises(mbrl_gpu.Failed, match="sac.learning_rat") as caught:
        mbrl_gpu.train("smoke", runs=folder, sac__learning_rat=1, progress=False)
    assert caught.value.code == 2
    with pytest.raises(mbrl_gpu.Failed, match="pendulun"):
        mbrl_gpu.train("smoke", "pendulun", runs=folder, progress=False)


def test_environments_that_cannot_be_served_are_told():
    with pytest.raises(ValueError, match="move it to the top level of a module"):
        mbrl_gpu.train(env=Outer.Inner)
    with pytest.raises(ValueError, match="move it to the top level of a module"):
        mbrl_gpu.train(env=lambda: Point())
    for one in (Point(), functools.partial(Point, width=0.5)):
        with pytest.raises(ValueError, match="is no class and no function: pass the class or a function that makes the "
                                             "environment; env_kwargs are its arguments"):
            mbrl_gpu.train(env=one)
    with pytest.raises(ValueError, match="env_kwargs are the arguments"):
        mbrl_gpu.train(env="pendulum", env_kwargs={"g": 1})


def test_the_program_is_found(monkeypatch, tmp_path):
    assert mbrl_gpu.program() == os.environ["MBRL_GPU_PROGRAM"]
    monkeypatch.setenv("MBRL_GPU_PROGRAM", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="absent, which is no program"):
        mbrl_gpu.program()
    monkeypatch.delenv("MBRL_GPU_PROGRAM")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="is not in the PATH"):
        mbrl_gpu.program()
    (tmp_path / "mbrl_gpu").write_text("#!/bin/sh\n")
    (tmp_path / "mbrl_gpu").chmod(0o755)
    assert mbrl_gpu.program() == str(tmp_path / "mbrl_gpu")


@pytest.mark.parametrize("module, place", [("share/mbrl_gpu/python", "bin"), ("site", "site/mbrl_gpu/bin")])
def test_an_installed_module_finds_its_program(tmp_path, module, place):
    """As cmake --install and a wheel lay them out."""
    shutil.copytree(os.path.join(ROOT, "python", "mbrl_gpu"), tmp_path / module / "mbrl_gpu")
    (tmp_path / place).mkdir(parents=True)
    os.symlink(os.environ["MBRL_GPU_PROGRAM"], tmp_path / place / "mbrl_gpu")
    environment = {"PYTHONPATH": str(tmp_path / module), "PATH": os.path.dirname(sys.executable)}
    script = ("import sys, mbrl_gpu._train as module; print(module.program(), flush=True); "
              "sys.argv[1:] = ['--version']; module.main()")
    said = subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert said.stdout.splitlines() == [str(tmp_path / place / "mbrl_gpu"), program("--version").strip()]


def test_words_of_overrides():
    given = {"seed": 1, "sac": {"hidden_sizes": [4, 8]}, "loop__epoch_length": 5, "a.b": True, "name": "x"}
    assert _train._words(given) == [
        "seed=1", "sac.hidden_sizes=[4, 8]", "loop.epoch_length=5", "a.b=true", "name=x"]
    from pathlib import Path
    given = {"seed": np.int64(3), "sac": {"learning_rate": np.float32(0.5), "hidden_sizes": np.array([4, 8])},
             "a": np.bool_(True), "b": [np.int32(1), 2], "mjcf__model": Path("robots/arm.xml"), "list": [Path("x/y")]}
    assert _train._words(given) == ["seed=3", "sac.learning_rate=0.5", "sac.hidden_sizes=[4, 8]", "a=true", "b=[1, 2]",
                                    "mjcf.model=robots/arm.xml", 'list=["x/y"]']
    with pytest.raises(TypeError, match="is no value of a key or an argument; expected numbers, texts, paths"):
        _train._words({"seed": {1, 2}})
    words, _ = _train._env_words(Point, {"width": np.float32(0.5), "file": Path("a/b"), "table": np.eye(2)})
    assert words[1].endswith("""point_env:Point --kwargs '{"width": 0.5, "file": "a/b", "table": [[1.0, 0.0], [0.0, 1.0]]}'""")
    assert [name for name in ("Pendulum-v1", "ALE/Pong", "my:make", "hopper", "cartpole_swingup")
            if _train._is_gymnasium_id(name)] == ["Pendulum-v1", "ALE/Pong", "my:make"]


def test_the_module_alone_needs_no_numpy():
    script = "import sys, mbrl_gpu; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
    with pytest.raises(AttributeError, match="no attribute Polcy"):
        mbrl_gpu.Polcy
