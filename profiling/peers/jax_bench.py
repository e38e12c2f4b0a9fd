"""JAX peers of `mbrl_gpu bench`: the same work at the same sizes, as pure functions under jit.

  scan       all updates of a call in one lax.scan under one jit, state donated (as the fast JAX libraries do)
  vmap scan  that over learners (populations)
"""
import bench_common as c

options = c.parse(__doc__)

import math
import os
import sys

os.environ["JAX_PLATFORMS"] = "cuda" if options.device == "cuda" else "cpu"
if options.device == "cpu" and options.threads == 1:
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
if options.check or options.write_check:
    os.environ["JAX_ENABLE_X64"] = "1"
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bench_common import A, B, D, ELITES, MEMBERS, MODEL, PPO, S, SAC, Work, wanted

bf16 = options.precision == "bf16"
jax.config.update("jax_default_matmul_precision", {"fp32": "highest", "tf32": "tensorfloat32", "bf16": "default"}[options.precision])
if cache := os.environ.get("JAX_BENCH_CACHE"):
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
options.device_name = jax.devices()[0].device_kind if options.device == "cuda" else "cpu"
VERSION = f"jax {jax.__version__}"
kind = jnp.float64 if options.check or options.write_check else jnp.float32


def array(x):
    return jnp.asarray(x, kind)


def network(layers, copy=None):
    """[(w, b)]: of one copy (w [in, out], b [out]) or of all (a leading dimension)."""
    if copy is None:
        return [(array(w), array(b)[:, 0]) for w, b in layers]
    return [(array(w[copy]), array(b[copy, 0])) for w, b in layers]


# ---- mathematics of one network, one learner; vmap makes the rest ----


def dense(layer, x):
    w, b = layer
    if bf16:
        return jnp.dot(x.astype(jnp.bfloat16), w.astype(jnp.bfloat16), preferred_element_type=jnp.float32) + b
    return x @ w + b


def mlp(layers, x, activation):
    for layer in layers[:-1]:
        x = activation(dense(layer, x))
    return dense(layers[-1], x)


def squash(head, noise):
    mean, raw = jnp.split(head, 2, -1)
    log_std = jnp.clip(raw, -20.0, 2.0)
    u = mean + jnp.exp(log_std) * noise
    log_det = 2.0 * (math.log(2.0) - u - jax.nn.softplus(-2.0 * u))
    log_prob = -0.5 * noise * noise - log_std - 0.5 * math.log(2.0 * math.pi) - log_det
    return jnp.tanh(u), log_prob.sum(-1)


def adam(p, g, m, v, t, lr):
    m = jax.tree.map(lambda a, b: c.BETA1 * a + (1.0 - c.BETA1) * b, m, g)
    v = jax.tree.map(lambda a, b: c.BETA2 * a + (1.0 - c.BETA2) * b * b, v, g)
    rate, root = lr / (1.0 - c.BETA1**t), jnp.sqrt(1.0 - c.BETA2**t)
    p = jax.tree.map(lambda w, a, b: w - rate * a / (jnp.sqrt(b) / root + c.EPS), p, m, v)
    return p, m, v


def q_values(critics, s, a):
    """Both critics: [2, B]."""
    x = jnp.concatenate([s, a], -1)
    return jax.vmap(lambda q: mlp(q, x, jax.nn.relu)[:, 0])(critics)


def zeros(tree):
    return jax.tree.map(jnp.zeros_like, tree)


def sac_state(case):
    actor, critic = network(case["actor"], 0), network(case["critic"])
    alpha = array(case["log_alpha"][0])
    return dict(actor=actor, critic=critic, target=network(case["target"]), alpha=alpha, t=jnp.zeros((), kind),
                m=zeros((actor, critic, alpha)), v=zeros((actor, critic, alpha)))


def sac_update(st, batch, noise_next, noise):
    t = st["t"] + 1.0
    (ma, mc, ml), (va, vc, vl) = st["m"], st["v"]
    alpha = jnp.exp(st["alpha"])
    s, a, next_s = batch[:, c.OBS], batch[:, c.ACT], batch[:, c.NEXT]

    next_a, log_prob = squash(mlp(st["actor"], next_s, jax.nn.relu), noise_next)
    value = q_values(st["target"], next_s, next_a).min(0) - alpha * log_prob
    y = batch[:, c.REWARD] + SAC["gamma"] * (1.0 - batch[:, c.DONE]) * value

    critic_loss = lambda q: 0.5 * jnp.square(q_values(q, s, a) - y).mean(-1).sum()
    critic, mc, vc = adam(st["critic"], jax.grad(critic_loss)(st["critic"]), mc, vc, t, SAC["lr"])
    target = jax.tree.map(lambda x, w: x + SAC["tau"] * (w - x), st["target"], critic)

    def actor_loss(p):
        pi, log_prob = squash(mlp(p, s, jax.nn.relu), noise)
        return (alpha * log_prob - q_values(critic, s, pi).min(0)).mean(), log_prob

    g, log_prob = jax.grad(actor_loss, has_aux=True)(st["actor"])
    actor, ma, va = adam(st["actor"], g, ma, va, t, SAC["lr"])
    log_alpha, ml, vl = adam(st["alpha"], -(log_prob.mean() + SAC["target_entropy"]), ml, vl, t, SAC["lr"])
    return dict(actor=actor, critic=critic, target=target, alpha=log_alpha, t=t, m=(ma, mc, ml), v=(va, vc, vl))


def bounded(raw, high, low):
    raw = high - jax.nn.softplus(high - raw)
    return low + jax.nn.softplus(raw - low)


def model_loss(p, x, target):
    members, high, low = p
    out = jax.vmap(lambda m, x: mlp(m, x, jax.nn.silu))(members, x)
    mean, raw = jnp.split(out, 2, -1)
    logvar = bounded(raw, high, low)
    nll = (jnp.square(mean - target) * jnp.exp(-logvar) + logvar).mean((-1, -2)).sum()
    return nll + MODEL["logvar_penalty"] * (high.sum() - low.sum())


def model_state(case):
    p = (network(case["model"]), jnp.full(D, MODEL["max_logvar"], kind), jnp.full(D, MODEL["min_logvar"], kind))
    return dict(p=p, m=zeros(p), v=zeros(p), t=jnp.zeros((), kind))


def model_update(st, records, rows, mean, inv_std):
    batch = records[rows]
    x = (batch[..., : S + A] - mean) * inv_std
    target = jnp.concatenate([batch[..., c.REWARD : c.REWARD + 1], batch[..., c.NEXT] - batch[..., c.OBS]], -1)
    t = st["t"] + 1.0
    g, high, low = jax.grad(model_loss)(st["p"], x, target)
    g = [(a + d * w, b) for (a, b), (w, _), d in zip(g, st["p"][0], MODEL["decay"])]
    p, m, v = adam(st["p"], (g, high, low), st["m"], st["v"], t, MODEL["lr"])
    return dict(p=p, m=m, v=v, t=t)


def hopper_done(s):
    return ~(jnp.isfinite(s).all(-1) & (jnp.abs(s[..., 1:]) < 100).all(-1) & (s[..., 0] > 0.7) & (jnp.abs(s[..., 1]) < 0.2))


def sample_output(out, high, low, noise):
    mean, raw = jnp.split(out, 2, -1)
    return mean + jnp.exp(0.5 * bounded(raw, high, low)) * noise


def record_of(s, a, y):
    next_s = s + y[:, 1:]
    done = hopper_done(next_s)
    pad = jnp.zeros((s.shape[0], c.PITCH - c.NEXT.stop), s.dtype)
    return jnp.concatenate([s, a, y[:, :1], done[:, None].astype(s.dtype), next_s, pad], -1), next_s, done


def rollout_step(form, actor, p, s, key, mean, inv_std):
    n = s.shape[0]
    members, high, low = p
    k1, k2, k3 = jax.random.split(key, 3)
    a, _ = squash(mlp(actor, s, jax.nn.relu), jax.random.normal(k1, (n, A)))
    x = (jnp.concatenate([s, a], -1) - mean) * inv_std
    noise = jax.random.normal(k2, (n, D))
    if form == "all members":
        out = jax.vmap(lambda m: mlp(m, x, jax.nn.silu))(members)
        out = out[jax.random.randint(k3, (n,), 0, ELITES), jnp.arange(n)]
        return record_of(s, a, sample_output(out, high, low, noise))
    order = jax.random.permutation(k3, n)
    elites = jax.tree.map(lambda t: t[:ELITES], members)
    out = jax.vmap(lambda m, x: mlp(m, x, jax.nn.silu))(elites, x[order].reshape(ELITES, n // ELITES, S + A)).reshape(n, -1)
    y = jnp.zeros((n, D), s.dtype).at[order].set(sample_output(out, high, low, noise), unique_indices=True)
    return record_of(s, a, y)


def ppo_loss(p, observation, action, old_log_prob, advantage, value_target):
    policy, log_std, value = p
    z = (action - mlp(policy, observation, jnp.tanh)) * jnp.exp(-log_std)
    log_prob = (-0.5 * z * z - log_std - 0.5 * math.log(2.0 * math.pi)).sum(-1)
    ratio = jnp.exp(log_prob - old_log_prob)
    clipped = jnp.clip(ratio, 1.0 - PPO["clip"], 1.0 + PPO["clip"])
    surrogate = -jnp.minimum(ratio * advantage, clipped * advantage).mean()
    return surrogate + PPO["value_weight"] * 0.5 * jnp.square(mlp(value, observation, jnp.tanh)[:, 0] - value_target).mean()


def ppo_state(case):
    p = (network(case["policy"], 0), jnp.zeros(A, kind), network(case["value"], 0))
    return dict(p=p, m=zeros(p), v=zeros(p), t=jnp.zeros((), kind))


def ppo_update(st, data, rows):
    t = st["t"] + 1.0
    g = jax.grad(ppo_loss)(st["p"], *[x[rows] for x in data])
    p, m, v = adam(st["p"], g, st["m"], st["v"], t, PPO["lr"])
    return dict(p=p, m=m, v=v, t=t)


# ---- forms ----


class Loop:
    """Keeps a donated state and a key between calls."""

    def __init__(self, f, st):
        self.f, self.st, self.key = jax.jit(f, donate_argnums=0), st, jax.random.key(0)

    def __call__(self):
        self.st, self.key = self.f(self.st, self.key)


last = None


def wait():
    if last is not None:
        jax.block_until_ready(last.st)


def loop(f, st):
    global last
    run = Loop(f, st)

    def call():
        global last
        last = run
        run()

    return call


SHAPE = f"S {S} A {A} batch {B}"


def sac_work(learners=1, updates=SAC["updates"], unroll=1):
    case = c.check_case()
    st = sac_state(dict(case, target=case["critic"], log_alpha=np.zeros(1)))
    records = array(c.transitions(np.random.default_rng(1)))
    many = (learners,) if learners > 1 else ()
    if many:
        st = jax.tree.map(lambda x: jnp.tile(x, many + (1,) * x.ndim), st)
    update = jax.vmap(sac_update) if many else sac_update

    def f(st, key):
        key, k1, k2 = jax.random.split(key, 3)
        batches = records[jax.random.randint(k1, (updates, *many, B), 0, c.RECORDS)]
        noise = jax.random.normal(k2, (updates, 2, *many, B, A))
        st, _ = lax.scan(lambda st, x: (update(st, x[0], x[1][0], x[1][1]), None), st, (batches, noise), unroll=unroll)
        return st, key

    label = "scan" + f" unroll {unroll}" * (unroll > 1)

    if many:
        return Work("sac population", f"{learners} learners, {SHAPE}", "updates/s", updates * learners, f"{VERSION} vmap scan",
                    loop(f, st), updates * learners * c.sac_flop())
    return Work("sac sequential", SHAPE, "updates/s", updates, f"{VERSION} {label}", loop(f, st), updates * c.sac_flop())


def ensemble_work():
    records = array(c.transitions(np.random.default_rng(1)))
    mean, inv_std = records[:, : S + A].mean(0), 1.0 / records[:, : S + A].std(0)
    steps = 16 if options.device == "cuda" else 4
    rows = jnp.asarray(np.random.default_rng(2).integers(0, c.RECORDS, (steps, MEMBERS, B)))

    def f(st, key):
        return lax.scan(lambda st, r: (model_update(st, records, r, mean, inv_std), None), st, rows)[0], key

    shape = f"{MEMBERS} members, {c.MEMBER_LAYERS} x {c.MEMBER_HIDDEN}, batch {B}"
    return Work("ensemble step", shape, "steps/s", steps, f"{VERSION} scan", loop(f, model_state(c.check_case())), steps * c.ensemble_flop())


def rollout_work(form, length, rows=100000):
    case = c.check_case()
    records = array(c.transitions(np.random.default_rng(1)))
    mean, inv_std = records[:, : S + A].mean(0), 1.0 / records[:, : S + A].std(0)
    actor, p = network(case["actor"], 0), model_state(case)["p"]

    def f(ring, key):
        key, k1, k2, k3 = jax.random.split(key, 4)
        s = records[jax.random.randint(k1, (rows,), 0, c.RECORDS), c.OBS]

        def step(s, k):
            record, next_s, done = rollout_step(form, actor, p, s, k, mean, inv_std)
            again = records[jax.random.randint(k3, (rows,), 0, c.RECORDS), c.OBS] if length > 1 else s
            return jnp.where(done[:, None], again, next_s), record

        return lax.scan(step, s, jax.random.split(k2, length))[1], key

    return Work("rollout", f"{rows} rows, {length} step" + "s" * (length > 1), "states/s", rows * length, f"{VERSION} {form} scan",
                loop(f, jnp.zeros((length, rows, c.PITCH))), rows * length * c.rollout_flop(form == "all members"))


def ppo_work(batch):
    rng = np.random.default_rng(1)
    count = max(2048, batch)
    updates = count // batch
    data = [array(x) for x in (0.5 * rng.standard_normal((count, S)), 0.5 * rng.standard_normal((count, A)),
                               -2.7 + 0.5 * rng.standard_normal(count), 0.5 * rng.standard_normal(count), 0.5 * rng.standard_normal(count))]
    rows = jnp.asarray(rng.integers(0, count, (updates, batch)))

    def f(st, key):
        return lax.scan(lambda st, r: (ppo_update(st, data, r), None), st, rows)[0], key

    flop = 2.0 * batch * sum(3 * c.macs(w) - w[0] * w[1] for w in ((S, 64, 64, A), (S, 64, 64, 1)))
    return Work("ppo", f"S {S} A {A} batch {batch}", "updates/s", updates, f"{VERSION} scan", loop(f, ppo_state(c.check_case())), updates * flop)


def peak_work(n, repeats):
    key = jax.random.key(1)
    a, b = [jax.random.uniform(k, (n, n), minval=-0.1, maxval=0.1).astype(jnp.bfloat16 if bf16 else jnp.float32) for k in jax.random.split(key)]
    f = lambda x, key: (lax.fori_loop(0, repeats, lambda i, x: jnp.tanh(x @ b) if n <= 256 else x @ b, x), key)
    return Work("gemm", f"{n}x{n}x{n}", "GFLOP/s", 2.0 * n**3 * repeats / 1e9, VERSION, loop(f, a), 2.0 * n**3 * repeats)


def works():
    def add(kind_of_work, label, make):
        if kind_of_work in options.work and wanted(label, options):
            make.label = f"{kind_of_work} {label}"
            todo.append(make)

    todo = []
    cuda, full = options.device == "cuda", not options.quick
    add("peak", "peak", lambda: peak_work(4096 if cuda else 2048, 20 if cuda else 1))
    add("sac", "scan", sac_work)
    if full and cuda:  # without a loop XLA can put all of it in one CUDA graph
        add("sac", "scan unroll", lambda: sac_work(unroll=SAC["updates"]))
    add("ensemble", "scan", ensemble_work)
    if full:
        add("rollout", "all members scan", lambda: rollout_work("all members", 1))
    add("rollout", "chosen member scan", lambda: rollout_work("chosen member", 1))
    if cuda:
        add("rollout", "chosen member scan", lambda: rollout_work("chosen member", 5))
    for batch in (64, 4096):
        add("ppo", "scan", lambda batch=batch: ppo_work(batch))
    for learners in (10, 100):
        add("population", "vmap scan", lambda n=learners: sac_work(n, 4 if cuda else 1))
    return todo


def flat_networks(layers):
    if layers[0][0].ndim == 2:
        return jnp.concatenate([jnp.concatenate([w.reshape(-1), b]) for w, b in layers])
    return jnp.concatenate([flat_networks([(w[i], b[i]) for w, b in layers]) for i in range(layers[0][0].shape[0])])


def check():
    """One float64 update of everything, twice, from the shared case."""
    case = c.check_case()
    records = array(case["records"])
    st = sac_state(case)
    update = jax.jit(sac_update)
    for _ in range(2):
        st = update(st, records[case["rows"][0]], array(case["noise_next"][0]), array(case["noise"][0]))
    result = dict(sac_actor=flat_networks(st["actor"]), sac_critic=flat_networks(st["critic"]), sac_target=flat_networks(st["target"]),
                  sac_alpha=st["alpha"][None])
    mean, inv_std = records[:, : S + A].mean(0), 1.0 / records[:, : S + A].std(0)
    ms = model_state(case)
    for _ in range(2):
        ms = model_update(ms, records, jnp.asarray(case["model_rows"]), mean, inv_std)
    result["model"], result["bounds"] = flat_networks(ms["p"][0]), jnp.concatenate(ms["p"][1:])
    ps = ppo_state(case)
    data = [array(case["ppo_" + k]) for k in ("observation", "action", "log_prob", "advantage", "target")]
    for _ in range(2):
        ps = ppo_update(ps, data, jnp.arange(B))
    result["policy"], result["log_std"], result["value"] = flat_networks(ps["p"][0]), ps["p"][1], flat_networks(ps["p"][2])
    member = [(w[3], b[3]) for w, b in ms["p"][0]]
    out = mlp(member, (records[:B, : S + A] - mean) * inv_std, jax.nn.silu)
    result["rollout"] = record_of(records[:B, c.OBS], records[:B, c.ACT], sample_output(out, ms["p"][1], ms["p"][2], jnp.ones((B, D))))[0]
    return {k: np.asarray(v) for k, v in result.items()}


if options.write_check:
    np.savez(options.write_check, **check())
elif options.check:
    print(f"largest relative difference: {c.compare(check(), options.check):.1e}")
else:
    c.run(works(), options, wait)
