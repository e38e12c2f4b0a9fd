#!/usr/bin/env python3
"""The program's two hot loops as one writes them in JAX: what `mbrl_gpu bench` is to beat.

    python3 jax_updates.py [SECONDS]      stops beginning new measurements after so many seconds; default 60

A SAC update and an ensemble step at Hopper's sizes, compiled, many to a call by lax.scan, for one learner and
for ten by vmap. Prints a line that names the peer, then a JSON object per measurement, as `mbrl_gpu bench --json`
does; "matmul" is what jax.default_matmul_precision was. "highest" is fp32, "default" what the device likes (tf32
on an NVIDIA GPU). Needs jax alone; runs on whatever jax finds.
"""
import json
import os
import sys
import time

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from jax import lax, nn, random  # noqa: E402
from jax.tree_util import tree_map  # noqa: E402

OBSERVATION, ACTION, HIDDEN, BATCH = 11, 3, 256, 256
MEMBERS, WIDTH, LAYERS = 7, 200, 4
UPDATES, STEPS = 20, 16  # to a call: an environment step's, a recorded graph's
DISCOUNT, TAU, RATE, TARGET_ENTROPY, MODEL_RATE = 0.99, 0.005, 3e-4, -1.0, 1e-3
ROWS = 100_000

# columns of a transition: observation, action, reward, terminated, next observation
O, A, R, D, N = (slice(0, 11), slice(11, 14), 14, 15, slice(16, 27))


def network(key, sizes):
    layers = []
    for fan_in, fan_out in zip(sizes[:-1], sizes[1:]):
        key, own = random.split(key)
        bound = (6.0 / (fan_in + fan_out)) ** 0.5
        layers.append((random.uniform(own, (fan_in, fan_out), minval=-bound, maxval=bound), jnp.zeros(fan_out)))
    return layers


def forward(layers, x, activation):
    for weight, bias in layers[:-1]:
        x = activation(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


class Adam:
    """Parameters with their moments; a pytree of three trees of the same form."""

    @staticmethod
    def fresh(value):
        return value, tree_map(jnp.zeros_like, value), tree_map(jnp.zeros_like, value)

    @staticmethod
    def step(state, gradient, count, rate):
        value, m, v = state
        m = tree_map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
        v = tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
        scale = rate * jnp.sqrt(1.0 - 0.999**count) / (1.0 - 0.9**count)
        return tree_map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) + 1e-8), value, m, v), m, v


def act(actor, observation, noise):
    """Squashed Gaussian action and its log density."""
    mean, log_std = jnp.split(forward(actor, observation, nn.relu), 2, axis=-1)
    log_std = jnp.clip(log_std, -20.0, 2.0)
    raw = mean + jnp.exp(log_std) * noise
    log_density = -0.5 * noise**2 - log_std - 0.5 * jnp.log(2.0 * jnp.pi)
    squash = 2.0 * (jnp.log(2.0) - raw - nn.softplus(-2.0 * raw))
    return jnp.tanh(raw), (log_density - squash).sum(-1)


def values(critics, observation, action):
    """[2, BATCH]: both critics, whose parameters are stacked."""
    x = jnp.concatenate([observation, action], axis=-1)
    return jax.vmap(lambda c: forward(c, x, nn.relu)[:, 0])(critics)


def sac_learner(key):
    first, second = random.split(key)
    actor = network(first, [OBSERVATION, HIDDEN, HIDDEN, 2 * ACTION])
    critics = jax.vmap(lambda k: network(k, [OBSERVATION + ACTION, HIDDEN, HIDDEN, 1]))(random.split(second))
    return {"actor": Adam.fresh(actor), "critics": Adam.fresh(critics), "targets": critics,
            "log_alpha": Adam.fresh(jnp.zeros(())), "count": jnp.zeros(())}


def sac_update(learner, key, replay):
    draw, next_noise, noise = random.split(key, 3)
    rows = replay[random.randint(draw, (BATCH,), 0, ROWS)]
    noise, next_noise = (random.normal(k, (BATCH, ACTION)) for k in (noise, next_noise))
    count = learner["count"] + 1.0
    alpha = jnp.exp(learner["log_alpha"][0])

    next_action, next_density = act(learner["actor"][0], rows[:, N], next_noise)
    next_value = values(learner["targets"], rows[:, N], next_action).min(0) - alpha * next_density
    wanted = rows[:, R] + DISCOUNT * (1.0 - rows[:, D]) * next_value

    def critic_loss(critics):
        return 0.5 * ((values(critics, rows[:, O], rows[:, A]) - wanted) ** 2).mean(-1).sum()

    loss, gradient = jax.value_and_grad(critic_loss)(learner["critics"][0])
    critics = Adam.step(learner["critics"], gradient, count, RATE)
    targets = tree_map(lambda t, c: t + TAU * (c - t), learner["targets"], critics[0])

    def actor_loss(actor):
        action, density = act(actor, rows[:, O], noise)
        return (alpha * density - values(critics[0], rows[:, O], action).min(0)).mean(), density.mean()

    gradient, density = jax.grad(actor_loss, has_aux=True)(learner["actor"][0])
    actor = Adam.step(learner["actor"], gradient, count, RATE)
    log_alpha = Adam.step(learner["log_alpha"], -(density + TARGET_ENTROPY), count, RATE)
    return {"actor": actor, "critics": critics, "targets": targets, "log_alpha": log_alpha, "count": count}, loss


def sac_call(learner, key, replay):
    return lax.scan(lambda state, k: sac_update(state, k, replay), learner, random.split(key, UPDATES))


def ensemble_step(state, indices, replay):
    """One Adam step of all members on the Gaussian likelihood of reward and change of the observation."""
    optimizer, count = state
    rows = replay[indices]  # [MEMBERS, BATCH, 27]
    x = rows[..., :OBSERVATION + ACTION]
    wanted = jnp.concatenate([rows[..., R:R + 1], rows[..., N] - rows[..., O]], axis=-1)

    def loss_of(members):
        out = jax.vmap(lambda layers, x: forward(layers, x, nn.silu))(members, x)
        mean, log_variance = jnp.split(out, 2, axis=-1)
        log_variance = 0.5 - nn.softplus(0.5 - log_variance)
        log_variance = -10.0 + nn.softplus(log_variance + 10.0)
        return ((mean - wanted) ** 2 * jnp.exp(-log_variance) + log_variance).mean((1, 2)).sum()

    loss, gradient = jax.value_and_grad(loss_of)(optimizer[0])
    return (Adam.step(optimizer, gradient, count + 1.0, MODEL_RATE), count + 1.0), loss


def ensemble_call(state, indices, replay):
    return lax.scan(lambda s, i: ensemble_step(s, i, replay), state, indices)


def quartiles(call, *arguments):
    """First, second and third quartile of a call's seconds, and those of its first, which compiles."""
    def once():
        begin = time.perf_counter()
        jax.block_until_ready(call(*arguments))
        return time.perf_counter() - begin

    compiling = once()
    times = []
    while len(times) < 5 or (sum(times) < 2.0 and len(times) < 200):
        times.append(once())
    times.sort()
    return [times[len(times) * i // 4] for i in (1, 2, 3)], compiling


def say(operation, shape, unit, matmul, learners, work, measured):
    (low, median, high), compiling = measured
    print(json.dumps({"operation": operation, "shape": shape, "provider": "jax scan", "matmul": matmul,
                      "learners": learners, "rate": work / median, "unit": unit, "time_s": median,
                      "time_q1_s": low, "time_q3_s": high, "compile_s": compiling}), flush=True)


def main():
    end = time.perf_counter() + (float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
    print(json.dumps({"peer": "jax", "version": jax.__version__, "device": str(jax.devices()[0])}), flush=True)
    replay = random.normal(random.PRNGKey(0), (ROWS, 27)).at[:, D].set(0.0)

    def sac(matmul, learners):
        state = jax.vmap(sac_learner)(random.split(random.PRNGKey(1), learners))
        keys = random.split(random.PRNGKey(2), learners)
        call = jax.jit(jax.vmap(sac_call, (0, 0, None)))
        say("sac sequential", f"S {OBSERVATION} A {ACTION} batch {BATCH}", "updates/s", matmul, learners,
            learners * UPDATES, quartiles(call, state, keys, replay))

    def ensemble(matmul, learners):
        sizes = [OBSERVATION + ACTION] + [WIDTH] * LAYERS + [2 * (OBSERVATION + 1)]
        members = jax.vmap(lambda k: network(k, sizes))(random.split(random.PRNGKey(3), MEMBERS))
        indices = random.randint(random.PRNGKey(4), (STEPS, MEMBERS, BATCH), 0, ROWS)
        say("ensemble step", f"{MEMBERS} members, {LAYERS} x {WIDTH}, batch {BATCH}", "steps/s", matmul, learners,
            STEPS, quartiles(jax.jit(ensemble_call), (Adam.fresh(members), jnp.zeros(())), indices, replay))

    # compiling takes 10 to 30 s each: what matters most comes first
    for work, matmul, learners in ((sac, "highest", 1), (ensemble, "highest", 1), (sac, "default", 1),
                                   (ensemble, "default", 1), (sac, "highest", 10), (sac, "default", 10)):
        if time.perf_counter() < end:
            with jax.default_matmul_precision(matmul):
                work(matmul, learners)


if __name__ == "__main__":
    main()
