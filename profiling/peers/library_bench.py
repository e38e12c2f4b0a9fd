"""Libraries that researchers train with, as peers of `mbrl_gpu bench`: each by its own code, at the same sizes.

  stable-baselines3   SAC.train(20 updates) on a full replay buffer
  rltools             steps of its training loop, each with one update of critics and actor, on the CPU alone
  cleanrl             the steps of its sac_continuous_action.py between two of its reports, each with one update.
                      The file is no package: CLEANRL_SAC names it
  mbrl-lib            an update of OneDTransitionRewardModel over GaussianMLP, 7 members

rltools and cleanrl step an environment, which here answers with a stored row and costs little. What is not installed is
left out aloud.
"""
import bench_common as c

options = c.parse(__doc__)

import atexit
import os
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import version

import numpy as np

from bench_common import A, B, HIDDEN, MEMBERS, S, SAC, Work, wanted

SHAPE = f"S {S} A {A} batch {B}"
cuda = options.device == "cuda"
options.device_name = "cpu"
options.precision = "fp32"  # theirs, whatever ours is
EPISODE = 1000
# updates of a call of what steps an environment
STEPS = 100


def wait():
    if cuda and "torch" in sys.modules:
        import torch

        torch.cuda.synchronize()


def stored_rows(episodes=True):
    """An environment of gymnasium that answers with stored transitions, in episodes of one length or in an endless one."""
    import gymnasium as gym

    class StoredRows(gym.Env):
        spec = gym.envs.registration.EnvSpec("StoredRows-v0", max_episode_steps=EPISODE if episodes else None)
        observation_space = gym.spaces.Box(-np.inf, np.inf, (S,), np.float32)
        action_space = gym.spaces.Box(-1.0, 1.0, (A,), np.float32)

        def __init__(self):
            self.rows, self.at = c.transitions(np.random.default_rng(1)), 0

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return self.rows[self.at, c.OBS], {}

        def step(self, action):
            row = self.rows[self.at]
            self.at = (self.at + 1) % c.RECORDS
            return row[c.NEXT], float(row[c.REWARD]), False, episodes and self.at % EPISODE == 0, {}

    return StoredRows()


def sac_row(who, updates, call):
    return Work("sac sequential", SHAPE, "updates/s", updates, who, call, updates * c.sac_flop())


def stable_baselines3():
    import stable_baselines3
    import torch
    from stable_baselines3.common.logger import Logger

    torch.set_num_threads(options.threads)
    model = stable_baselines3.SAC("MlpPolicy", stored_rows(), learning_rate=SAC["lr"], batch_size=B, gamma=SAC["gamma"],
                                  tau=SAC["tau"], buffer_size=c.RECORDS, device=options.device, seed=0,
                                  target_entropy=SAC["target_entropy"], policy_kwargs=dict(net_arch=[HIDDEN, HIDDEN]))
    model.set_logger(Logger(None, []))
    for row in c.transitions(np.random.default_rng(1)):
        model.replay_buffer.add(row[c.OBS], row[c.NEXT], row[c.ACT], row[c.REWARD], np.zeros(1), [{}])
    return sac_row(f"stable-baselines3 {stable_baselines3.__version__}", SAC["updates"],
                   lambda: model.train(SAC["updates"], B))


def rltools():
    from rltools import SAC as RltoolsSac

    if cuda:
        raise RuntimeError("its Python interface trains on the CPU")
    loop = RltoolsSac(stored_rows, evaluation_interval=100_000_000, interface_name=f"mbrl_peer_{S}_{A}",
                      ACTOR_BATCH_SIZE=B, CRITIC_BATCH_SIZE=B, ACTOR_HIDDEN_DIM=HIDDEN, CRITIC_HIDDEN_DIM=HIDDEN,
                      N_WARMUP_STEPS=B, STEP_LIMIT=100_000_000, REPLAY_BUFFER_CAP=c.RECORDS, OPTIMIZER_ALPHA=SAC["lr"])
    state = loop.State(0)
    for _ in range(2 * B):
        state.step()

    def call():
        for _ in range(STEPS):
            state.step()

    return sac_row(f"rltools {version('rltools')}", STEPS, call)


# registers the environment, then becomes the script, which was written for a gymnasium that told the last observation of an
# episode otherwise than today's: its episode has no end
RUN_CLEANRL = """
import runpy, sys
script = sys.argv.pop(1)
import gymnasium, library_bench
gymnasium.register("StoredRows-v0", lambda: library_bench.stored_rows(episodes=False))
sys.argv = [script, "--env-id", "StoredRows-v0", "--learning-starts", "300", "--total-timesteps", "100000000",
            "--policy-lr", "3e-4", "--q-lr", "3e-4", "--cuda" if library_bench.cuda else "--no-cuda"]
runpy.run_path(script, run_name="__main__")
"""


def cleanrl():
    script = os.environ.get("CLEANRL_SAC")
    if not script:
        raise RuntimeError("CLEANRL_SAC names no sac_continuous_action.py")
    script = os.path.abspath(script)
    paths = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(script))]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", RUN_CLEANRL, script, "--device", options.device, "--threads", str(options.threads)],
        cwd=tempfile.mkdtemp(),  # it writes its tables where it runs
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": ":".join(paths)})
    atexit.register(process.kill)

    def next_report():
        for line in process.stdout:
            if line.startswith("SPS:"):
                return
        raise RuntimeError("the script ended; its messages above say why")

    next_report(), next_report()
    process.send_signal(signal.SIGSTOP)

    def call():
        # it stands still between its turns; a report comes every 100 steps
        process.send_signal(signal.SIGCONT)
        next_report()
        process.send_signal(signal.SIGSTOP)

    return sac_row("cleanrl", STEPS, call)


def mbrl_lib():
    import mbrl.models
    import mbrl.types
    import torch

    torch.set_num_threads(options.threads)
    net = mbrl.models.GaussianMLP(S + A, S + 1, options.device, num_layers=c.MEMBER_LAYERS, ensemble_size=MEMBERS,
                                  hid_size=c.MEMBER_HIDDEN, activation_fn_cfg={"_target_": "torch.nn.SiLU"})
    model = mbrl.models.OneDTransitionRewardModel(net, target_is_delta=True, normalize=True, learned_rewards=True)
    rows = c.transitions(np.random.default_rng(1))
    all_rows = mbrl.types.TransitionBatch(rows[:, c.OBS], rows[:, c.ACT], rows[:, c.NEXT], rows[:, c.REWARD],
                                          rows[:, c.DONE] > 0, np.zeros(len(rows), bool))
    model.update_normalizer(all_rows)
    optimizer = torch.optim.Adam(model.parameters(), lr=c.MODEL["lr"], weight_decay=c.MODEL["decay"][1])
    rng = np.random.default_rng(2)

    def call():
        # a bootstrap batch for each member, as its BootstrapIterator hands out
        model.update(all_rows[rng.integers(0, c.RECORDS, (MEMBERS, B))], optimizer)

    shape = f"{MEMBERS} members, {c.MEMBER_LAYERS} x {c.MEMBER_HIDDEN}, batch {B}"
    return Work("ensemble step", shape, "steps/s", 1, f"mbrl-lib {version('mbrl')}", call, c.ensemble_flop())


def works():
    # rltools wants to be there before torch
    for kind, label, make in (("sac", "rltools", rltools), ("sac", "stable-baselines3", stable_baselines3),
                              ("sac", "cleanrl", cleanrl), ("ensemble", "mbrl-lib", mbrl_lib)):
        if kind in options.work and wanted(label, options):
            make.label = label
            yield make


if __name__ == "__main__":
    c.run(works(), options, wait)
