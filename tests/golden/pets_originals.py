"""Originals of the environments that PETS and the study of its hyperparameters use, as far as their
robots are in Gymnasium; compare.py steps them beside ours, make_gymnasium.py records them.

Their own packages (gym 0.9 with mujoco-py 0.5, and gym 0.14) cannot be installed any more. Gymnasium
has the same robots' models, which are stepped here by MuJoCo alone; what the papers changed of a
model is changed here, and observation, reward and start are restated from
kchua/handful-of-trials:dmbrl/env and automl/HPO_for_RL:dmbrl/env. Places of bodies are those of the
state, where the originals read them one substep late.

Reacher3d's arm is Pusher's with another hand, and no package has it; Daisy was never released.
"""
import os

import gymnasium
import mujoco
import numpy as np


class Robot:
    """A model of Gymnasium with actions in [-1, 1]."""

    def __init__(self, name, asset, frame_skip, high):
        self.name, self.id = name, asset
        folder = os.path.join(os.path.dirname(gymnasium.__file__), "envs", "mujoco", "assets")
        self.model = mujoco.MjModel.from_xml_path(os.path.join(folder, asset))
        self.data = mujoco.MjData(self.model)
        self.frame_skip, self.high = frame_skip, high
        self.dt = self.model.opt.timestep * frame_skip
        self.num_actions = self.model.nu
        self.longest_episode = 20
        self.largest_gap = self.largest_correction = 0.0
        self.observation_size = len(self.reset(0))

    def reset(self, seed):
        self.rng = np.random.default_rng(seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = self.start()
        mujoco.mj_forward(self.model, self.data)
        self.speed = 0.0
        return self.observation()

    def state(self):
        """Positions, then velocities."""
        return np.concatenate([self.data.qpos, self.data.qvel])

    def step(self, action):
        """Observation, reward, terminated."""
        control = self.high * action
        before, x = self.observation(), self.data.qpos[0]
        self.data.ctrl[:] = self.sign() * control
        mujoco.mj_step(self.model, self.data, self.frame_skip)
        self.speed = (self.data.qpos[0] - x) / self.dt
        observation = self.observation()
        return observation, self.reward(before, observation, control @ control), False

    def sign(self):
        return 1.0

    def reset_to_step(self, seed):
        """A start that steps tell more from."""
        return self.reset(seed)


class HalfCheetah18(Robot):
    def __init__(self):
        super().__init__("halfcheetah18", "half_cheetah.xml", 5, 1.0)

    def start(self):
        return (self.model.qpos0 + self.rng.normal(0, 0.001, 9), self.rng.normal(0, 0.001, 9))

    def observation(self):
        return np.concatenate([[self.speed], self.data.qpos[1:], self.data.qvel])

    def reward(self, before, after, control):
        return after[0] - 0.1 * control


class Hopper12(Robot):
    def __init__(self):
        super().__init__("hopper12", "hopper.xml", 4, 1.0)
        self.longest_episode = 40  # it falls within 20 or so

    def start(self):
        return (self.model.qpos0 + self.rng.uniform(-0.005, 0.005, 6),
                self.rng.uniform(-0.005, 0.005, 6))

    def observation(self):
        return np.concatenate([[self.speed], self.data.qpos[1:], self.data.qvel.clip(-10, 10)])

    def reward(self, before, after, control):
        state = self.state()
        alive = (np.isfinite(state).all() and (np.abs(state[2:]) < 100).all() and state[1] > 0.7
                 and abs(state[2]) < 0.2)
        return after[0] - 0.001 * control + float(alive)


class CartpoleSwingup(Robot):
    """Hanging down, InvertedPendulum is this cart-pole in a mirror."""

    def __init__(self):
        super().__init__("cartpole_swingup", "inverted_pendulum.xml", 2, 3.0)
        self.longest_episode = 60

    def sign(self):
        return -1.0

    def start(self):
        self.model.jnt_range[0] = -2.5, 2.5
        self.model.jnt_limited[1] = 0
        q, v = self.rng.normal(0, 0.1, 2), self.rng.normal(0, 0.1, 2)
        return np.array([-q[0], np.pi - q[1]]), -v

    def state(self):
        q, v = self.data.qpos, self.data.qvel
        return np.array([-q[0], np.pi - q[1], -v[0], -v[1]])

    def observation(self):
        return self.state()

    def reward(self, before, after, control):
        x, angle = after[:2]
        tip = np.array([x - 0.6 * np.sin(angle), -0.6 * np.cos(angle)])
        return np.exp(-np.sum((tip - [0, 0.6])**2) / 0.36) - 0.01 * control


class Pusher(Robot):
    """With a MuJoCo before 3, whose contacts feel the object's armature."""

    def __init__(self):
        super().__init__("pusher", "pusher.xml", 4, 2.0)
        self.longest_episode = 25

    def start(self):
        self.model.jnt_range[0, 1] = 2.0  # of the shoulder; Gymnasium's stops earlier
        q = np.zeros(11)
        q[7:9] = np.array([-0.25, 0.15]) + self.rng.normal(0, 0.025, 2)
        v = np.zeros(11)
        v[:7] = self.rng.uniform(-0.005, 0.005, 7)
        return q, v

    def reset_to_step(self, seed):
        """In every other episode the object lies between the tines of the lowered fork."""
        self.reset(seed)
        if seed % 2 == 1:
            pan = self.rng.uniform(-0.5, 0.5)
            self.data.qpos[:2] = pan, 0.33
            self.data.qpos[7:9] = 0.84 * np.sin(pan) - 0.55, 0.84 * np.cos(pan) - 0.45
            mujoco.mj_forward(self.model, self.data)
        return self.observation()

    def place(self, data, name):
        return data.xpos[mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, name)]

    def observation(self):
        data = mujoco.MjData(self.model)
        data.qpos[:] = self.data.qpos
        mujoco.mj_kinematics(self.model, data)
        return np.concatenate([data.qpos[:7], self.data.qvel[:7], self.place(data, "tips_arm"),
                               self.place(data, "object")])

    def reward(self, before, after, control):
        hand, thing = before[14:17], before[17:20]
        return (-0.5 * np.abs(hand - thing).sum()
                - 1.25 * np.abs(np.array([0.45, -0.05, -0.323]) - thing).sum() - 0.1 * control)


ENVIRONMENTS = {"cartpole_swingup": CartpoleSwingup, "halfcheetah18": HalfCheetah18,
                "hopper12": Hopper12, "pusher": Pusher}
