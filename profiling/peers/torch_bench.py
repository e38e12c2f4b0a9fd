"""PyTorch peers of `mbrl_gpu bench`: the same work at the same sizes, in the forms users write.

  eager           nn.Module per network, autograd, torch.optim.Adam, as in the usual single-file implementations
  bmm+fused       twin critics (and learners) stacked into batched products, fused Adam, foreach target average
  compile         one pure function per update under torch.compile; state written in place
  vmap            that function under torch.func.vmap (populations)
  +graph          (cuda) a call's updates captured in one CUDA graph, all draws and the gather hoisted out of the updates
"""
import bench_common as c

options = c.parse(__doc__)

import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import grad, vmap

from bench_common import A, B, D, ELITES, MEMBERS, MODEL, PPO, S, SAC, Work, wanted

device = torch.device(options.device)
cuda = device.type == "cuda"
bf16 = options.precision == "bf16"
torch.set_num_threads(options.threads)
torch.set_float32_matmul_precision("high" if options.precision == "tf32" else "highest")
options.device_name = torch.cuda.get_device_name() if cuda else "cpu"
VERSION = f"torch {torch.__version__.split('+')[0]}"
wait = torch.cuda.synchronize if cuda else lambda: None
kind = torch.float32  # of state and arithmetic outside of products


def tensor(array):
    return torch.tensor(np.asarray(array), dtype=kind, device=device)


def network(layers):
    return [tensor(x) for layer in layers for x in layer]


# ---- shared mathematics: pure functions of lists [w0, b0, w1, b1, ...], each with a leading dimension of copies ----


def mlp(p, x, activation):
    """Stacked networks on stacked batches, w [n, in, out], b [n, 1, out], x [n, B, in] -> [n, B, out]."""
    if bf16:
        p, x = [t.bfloat16() for t in p], x.bfloat16()
    for i in range(0, len(p), 2):
        w, b = p[i], p[i + 1]
        # one copy is a plain product: libraries do it faster than a batch of one
        x = torch.addmm(b[0], x[0], w[0])[None] if w.shape[0] == 1 else torch.baddbmm(b, x, w)
        if i + 2 < len(p):
            x = activation(x)
    return x.float() if bf16 else x


def squash(head, noise):
    """Squashed Gaussian: actions and the sum of their log-densities."""
    mean, raw = head.chunk(2, -1)
    log_std = raw.clamp(-20.0, 2.0)
    u = mean + log_std.exp() * noise
    log_det = 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))
    log_prob = -0.5 * noise * noise - log_std - 0.5 * math.log(2.0 * math.pi) - log_det
    return u.tanh(), log_prob.sum(-1)


def adam(p, g, m, v, t, lr):
    """Adam on lists; t counts from 1, a tensor. Returns the new lists."""
    new_m = [torch.lerp(b, a, 1.0 - c.BETA1) for a, b in zip(g, m)]
    new_v = [c.BETA2 * b + (1.0 - c.BETA2) * a * a for a, b in zip(g, v)]
    rate, root = lr / (1.0 - c.BETA1**t), (1.0 - c.BETA2**t).sqrt()
    return [w - rate * a / (b.sqrt() / root + c.EPS) for w, a, b in zip(p, new_m, new_v)], new_m, new_v


def twin(x):
    """[L, B, n] for both critics of each learner: [2 L, B, n]."""
    return x.repeat_interleave(2, 0) if x.shape[0] > 1 else x.expand(2, -1, -1)


def q_values(critic, s, a):
    q = mlp(critic, twin(torch.cat([s, a], -1)), torch.relu)
    return q.view(s.shape[0], 2, -1)


def td_target(target, actor, log_alpha, batch, noise):
    a, log_prob = squash(mlp(actor, batch[..., c.NEXT], torch.relu), noise)
    q = q_values(target, batch[..., c.NEXT], a).amin(1)
    value = q - log_alpha.exp()[:, None] * log_prob
    return batch[..., c.REWARD] + SAC["gamma"] * (1.0 - batch[..., c.DONE]) * value


def critic_loss(critic, batch, y):
    q = q_values(critic, batch[..., c.OBS], batch[..., c.ACT])
    return 0.5 * (q - y[:, None]).square().mean(-1).sum()


def actor_loss(actor, critic, log_alpha, batch, noise):
    a, log_prob = squash(mlp(actor, batch[..., c.OBS], torch.relu), noise)
    q = q_values(critic, batch[..., c.OBS], a).amin(1)
    return (log_alpha.exp()[:, None] * log_prob - q).mean(-1).sum(), log_prob


SAC_LISTS = ("actor", "critic", "target", "actor_m", "actor_v", "critic_m", "critic_v", "alpha")


def sac_state(case):
    """Lists of tensors; alpha: [log_alpha, m, v, t]."""
    st = {k: network(case[k]) for k in ("actor", "critic", "target")}
    for k in ("actor", "critic"):
        st[k + "_m"] = [torch.zeros_like(p) for p in st[k]]
        st[k + "_v"] = [torch.zeros_like(p) for p in st[k]]
    la = tensor(case["log_alpha"])
    st["alpha"] = [la, torch.zeros_like(la), torch.zeros_like(la), torch.zeros((), dtype=kind, device=device)]
    return st


def sac_update(st, batch, noise_next, noise):
    """One sequential update: critics, targets, actor, temperature. batch [L, B, record]. Returns the new state."""
    log_alpha, alpha_m, alpha_v, t = st["alpha"]
    t = t + 1.0
    y = td_target(st["target"], st["actor"], log_alpha, batch, noise_next).detach()
    g = grad(critic_loss)(st["critic"], batch, y)
    critic, critic_m, critic_v = adam(st["critic"], g, st["critic_m"], st["critic_v"], t, SAC["lr"])
    target = [torch.lerp(a, b, SAC["tau"]) for a, b in zip(st["target"], critic)]
    g, log_prob = grad(actor_loss, has_aux=True)(st["actor"], critic, log_alpha, batch, noise)
    actor, actor_m, actor_v = adam(st["actor"], g, st["actor_m"], st["actor_v"], t, SAC["lr"])
    g = -(log_prob.mean(-1) + SAC["target_entropy"])
    (log_alpha,), (alpha_m,), (alpha_v,) = adam([log_alpha], [g], [alpha_m], [alpha_v], t, SAC["lr"])
    return dict(actor=actor, critic=critic, target=target, actor_m=actor_m, actor_v=actor_v, critic_m=critic_m,
                critic_v=critic_v, alpha=[log_alpha, alpha_m, alpha_v, t])


def write_back(old, new):
    for k in old:
        for a, b in zip(old[k], new[k]):
            a.copy_(b)


def sac_step(st, batch, noise_next, noise):
    write_back(st, sac_update(st, batch, noise_next, noise))


# ---- ensemble ----


def model_inputs(records, rows, mean, inv_std):
    batch = records[rows]
    x = (batch[..., : S + A] - mean) * inv_std
    target = torch.cat([batch[..., c.REWARD : c.REWARD + 1], batch[..., c.NEXT] - batch[..., c.OBS]], -1)
    return x, target


def bounded(raw, high, low):
    raw = high - F.softplus(high - raw)
    return low + F.softplus(raw - low)


def model_loss(p, x, target):
    """p: weights of all members, then the two bounds."""
    high, low = p[-2], p[-1]
    mean, raw = mlp(p[:-2], x, F.silu).chunk(2, -1)
    logvar = bounded(raw, high, low)
    nll = ((mean - target).square() * (-logvar).exp() + logvar).mean((-1, -2)).sum()
    return nll + MODEL["logvar_penalty"] * (high.sum() - low.sum())


def model_state(case, members=MEMBERS):
    p = [t[:members].clone() for t in network(case["model"])]
    p += [tensor(np.full(D, MODEL["max_logvar"])), tensor(np.full(D, MODEL["min_logvar"]))]
    return dict(p=p, m=[torch.zeros_like(t) for t in p], v=[torch.zeros_like(t) for t in p],
                t=[torch.zeros((), dtype=kind, device=device)])


DECAY = [d if is_weight else 0.0 for d in MODEL["decay"] for is_weight in (True, False)] + [0.0, 0.0]


def model_update(st, records, rows, mean, inv_std):
    x, target = model_inputs(records, rows, mean, inv_std)
    t = st["t"][0] + 1.0
    g = grad(model_loss)(st["p"], x, target)
    g = [a + d * w if d else a for a, d, w in zip(g, DECAY, st["p"])]
    p, m, v = adam(st["p"], g, st["m"], st["v"], t, MODEL["lr"])
    return dict(p=p, m=m, v=v, t=[t])


def model_step(st, records, rows, mean, inv_std):
    write_back(st, model_update(st, records, rows, mean, inv_std))


# ---- rollout ----


def hopper_done(s):
    healthy = torch.isfinite(s).all(-1) & (s[..., 1:].abs() < 100).all(-1) & (s[..., 0] > 0.7) & (s[..., 1].abs() < 0.2)
    return ~healthy


def sample_output(out, high, low, noise):
    mean, raw = out.chunk(2, -1)
    return mean + (0.5 * bounded(raw, high, low)).exp() * noise


def record_of(s, a, y):
    next_s = s + y[:, 1:]
    done = hopper_done(next_s)
    pad = s.new_zeros(s.shape[0], c.PITCH - c.NEXT.stop)
    return torch.cat([s, a, y[:, :1], done[:, None].to(s.dtype), next_s, pad], -1), next_s, done


def step_all_members(actor, p, s, mean, inv_std):
    """The usual form: every member predicts every row, one prediction is kept."""
    n = s.shape[0]
    a, _ = squash(mlp(actor, s[None], torch.relu), torch.randn(1, n, A, device=device))
    a = a[0]
    x = ((torch.cat([s, a], -1) - mean) * inv_std).expand(MEMBERS, -1, -1)
    out = mlp(p[:-2], x, F.silu)
    member = torch.randint(0, ELITES, (n,), device=device)  # positions of the elites are 0 .. 4 here
    out = out[member, torch.arange(n, device=device)]
    return record_of(s, a, sample_output(out, p[-2], p[-1], torch.randn(n, D, device=device)))


def step_chosen(actor, elites, s, mean, inv_std, order):
    """Rows shuffled by `order` and cut into equal shares, one per elite: each member works on its own rows alone."""
    n = s.shape[0]
    a, _ = squash(mlp(actor, s[None], torch.relu), torch.randn(1, n, A, device=device))
    a = a[0]
    x = ((torch.cat([s, a], -1) - mean) * inv_std)[order].view(ELITES, n // ELITES, S + A)
    out = mlp(elites[:-2], x, F.silu).view(n, -1)
    y = torch.empty(n, D, device=device, dtype=s.dtype)
    y[order] = sample_output(out, elites[-2], elites[-1], torch.randn(n, D, device=device))
    return record_of(s, a, y)


# ---- PPO ----


def ppo_loss(p, observation, action, old_log_prob, advantage, value_target):
    """p: policy [6], log_std, value net [6]; observation [1, B, S]."""
    policy, log_std, value = p[:6], p[6], p[7:]
    mean = mlp(policy, observation, torch.tanh)[0]
    z = (action - mean) * (-log_std).exp()
    log_prob = (-0.5 * z * z - log_std - 0.5 * math.log(2.0 * math.pi)).sum(-1)
    ratio = (log_prob - old_log_prob).exp()
    clipped = ratio.clamp(1.0 - PPO["clip"], 1.0 + PPO["clip"])
    surrogate = -torch.minimum(ratio * advantage, clipped * advantage).mean()
    v = mlp(value, observation, torch.tanh)[0, :, 0]
    return surrogate + PPO["value_weight"] * 0.5 * (v - value_target).square().mean()


def ppo_state(case):
    p = network(case["policy"]) + [tensor(np.zeros(A))] + network(case["value"])
    return dict(p=p, m=[torch.zeros_like(t) for t in p], v=[torch.zeros_like(t) for t in p],
                t=[torch.zeros((), dtype=kind, device=device)])


def ppo_update(st, data, rows):
    observation, action, log_prob, advantage, value_target = [x[rows] for x in data]
    t = st["t"][0] + 1.0
    g = grad(ppo_loss)(st["p"], observation[None], action, log_prob, advantage, value_target)
    p, m, v = adam(st["p"], g, st["m"], st["v"], t, PPO["lr"])
    return dict(p=p, m=m, v=v, t=[t])


def ppo_step(st, data, rows):
    write_back(st, ppo_update(st, data, rows))


# ---- forms ----


def in_graph(calls):
    """Captures calls() in a CUDA graph after warming it up beside the default stream."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            calls()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        calls()
    return graph.replay


def compiled(f):
    return torch.compile(f, fullgraph=True, dynamic=False)


class Net(nn.Module):
    """One network as most implementations write it."""

    def __init__(self, layers, activation):
        super().__init__()
        self.activation = activation
        self.layers = nn.ModuleList()
        for w, b in layers:
            layer = nn.Linear(*w.shape[-2:], device=device, dtype=kind)
            with torch.no_grad():
                layer.weight.copy_(tensor(w[0] if w.ndim == 3 else w).T)
                layer.bias.copy_(tensor(b.reshape(-1)))
            self.layers.append(layer)

    def forward(self, x):
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for layer in self.layers[:-1]:
                x = self.activation(layer(x))
            x = self.layers[-1](x)
        return x.float() if bf16 else x


class EagerSac:
    """nn.Module per network, torch.optim.Adam, a loop over parameters for the target average."""

    def __init__(self, case):
        one = lambda layers, i: [(w[i], b[i]) for w, b in layers]
        self.actor = Net(one(case["actor"], 0), torch.relu)
        self.critics = [Net(one(case["critic"], i), torch.relu) for i in range(2)]
        self.targets = [Net(one(case["target"], i), torch.relu) for i in range(2)]
        self.log_alpha = tensor(case["log_alpha"]).requires_grad_()
        self.critic_adam = torch.optim.Adam([p for q in self.critics for p in q.parameters()], lr=SAC["lr"])
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), lr=SAC["lr"])
        self.alpha_adam = torch.optim.Adam([self.log_alpha], lr=SAC["lr"])

    def step(self, batch, noise_next, noise):
        s, a, next_s = batch[:, c.OBS], batch[:, c.ACT], batch[:, c.NEXT]
        alpha = self.log_alpha.exp().detach()
        with torch.no_grad():
            next_a, log_prob = squash(self.actor(next_s), noise_next)
            x = torch.cat([next_s, next_a], -1)
            value = torch.minimum(self.targets[0](x), self.targets[1](x))[:, 0] - alpha * log_prob
            y = batch[:, c.REWARD] + SAC["gamma"] * (1.0 - batch[:, c.DONE]) * value
        x = torch.cat([s, a], -1)
        loss = sum(0.5 * F.mse_loss(q(x)[:, 0], y) for q in self.critics)
        self.critic_adam.zero_grad()
        loss.backward()
        self.critic_adam.step()
        for q, target in zip(self.critics, self.targets):
            for p, t in zip(q.parameters(), target.parameters()):
                t.data.copy_(SAC["tau"] * p.data + (1.0 - SAC["tau"]) * t.data)
        pi, log_prob = squash(self.actor(s), noise)
        x = torch.cat([s, pi], -1)
        loss = (alpha * log_prob - torch.minimum(self.critics[0](x), self.critics[1](x))[:, 0]).mean()
        self.actor_adam.zero_grad()
        loss.backward()
        self.actor_adam.step()
        loss = (-self.log_alpha * (log_prob.detach() + SAC["target_entropy"])).mean()
        self.alpha_adam.zero_grad()
        loss.backward()
        self.alpha_adam.step()

    def result(self):
        flat = lambda nets: torch.cat([torch.cat([l.weight.T.reshape(-1), l.bias]) for n in nets for l in n.layers])
        return dict(actor=flat([self.actor]), critic=flat(self.critics), target=flat(self.targets), alpha=self.log_alpha)


class FusedSac:
    """Stacked critics (and learners), gradients of chosen parameters alone, fused Adam, foreach average."""

    def __init__(self, case):
        self.st = sac_state(case)
        for k in ("actor", "critic"):
            for p in self.st[k]:
                p.requires_grad_()
        self.log_alpha = self.st["alpha"][0].requires_grad_()
        make = lambda p: torch.optim.Adam(p, lr=SAC["lr"], fused=True, capturable=cuda)
        self.critic_adam, self.actor_adam = make(self.st["critic"]), make(self.st["actor"])
        self.alpha_adam = make([self.log_alpha])

    def step(self, batch, noise_next, noise):
        st = self.st
        with torch.no_grad():
            y = td_target(st["target"], st["actor"], self.log_alpha, batch, noise_next)
        self.apply(self.critic_adam, st["critic"], critic_loss(st["critic"], batch, y))
        with torch.no_grad():
            torch._foreach_lerp_(st["target"], st["critic"], SAC["tau"])
        loss, log_prob = actor_loss(st["actor"], st["critic"], self.log_alpha.detach(), batch, noise)
        self.apply(self.actor_adam, st["actor"], loss)
        self.log_alpha.grad = -(log_prob.detach().mean(-1) + SAC["target_entropy"])
        self.alpha_adam.step()

    @staticmethod
    def apply(optimizer, parameters, loss):
        for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):
            p.grad = g
        optimizer.step()

    def result(self):
        return sac_result(self.st)


def flat_networks(lists):
    """As the networks lie one after the other: copy by copy, layer by layer, weight then bias."""
    n = lists[0].shape[0]
    return torch.cat([torch.cat([t[i].reshape(-1) for t in lists]) for i in range(n)])


def sac_result(st):
    return dict(actor=flat_networks(st["actor"]), critic=flat_networks(st["critic"]), target=flat_networks(st["target"]),
                alpha=st["alpha"][0])


def population(case, learners):
    many = lambda layers: [(np.tile(w, (learners, 1, 1)), np.tile(b, (learners, 1, 1))) for w, b in layers]
    return dict(actor=many(case["actor"]), critic=many(case["critic"]), target=many(case["target"]),
                log_alpha=np.tile(case["log_alpha"], learners))


def sac_case():
    case = c.check_case()
    return dict(case, target=case["critic"], log_alpha=np.zeros(1))


SHAPE = f"S {S} A {A} batch {B}"


def sac_work(label, learners=1, updates=SAC["updates"]):
    """`updates` updates of `learners` learners, with their draws and gathers."""
    case = population(sac_case(), learners)
    records = tensor(c.transitions(np.random.default_rng(1)))
    draw = lambda n: (torch.randint(0, c.RECORDS, (n, learners, B), device=device),
                      torch.randn(n, 2, learners, B, A, device=device))
    if label == "eager":
        sac = EagerSac(case)

        def call():
            for _ in range(updates):
                rows = torch.randint(0, c.RECORDS, (B,), device=device)
                sac.step(records[rows], torch.randn(B, A, device=device), torch.randn(B, A, device=device))

    else:
        if label.startswith("bmm+fused"):
            step = FusedSac(case).step
        elif label.startswith("vmap"):
            # one learner's update; every tensor gets a leading dimension of learners, t too
            st = {k: [t.view(learners, -1, *t.shape[1:]).contiguous() for t in v] for k, v in sac_state(case).items() if k != "alpha"}
            st["alpha"] = [torch.zeros(learners, 1, device=device) for _ in range(3)] + [torch.zeros(learners, device=device)]
            f = vmap(sac_update)

            def step_all(st, batch, noise_next, noise):
                write_back(st, f(st, batch[:, None], noise_next[:, None], noise[:, None]))

            g = compiled(step_all) if "compile" in label else step_all
            step = lambda *x: g(st, *x)
        else:
            st = sac_state(case)
            f = compiled(sac_step)
            step = lambda *x: f(st, *x)

        def call():
            rows, noise = draw(updates)
            batches = records[rows]
            for i in range(updates):
                step(batches[i], noise[i, 0], noise[i, 1])

        if label.endswith("+graph"):
            call = in_graph(call)
    if learners == 1:
        return Work("sac sequential", SHAPE, "updates/s", updates, f"{VERSION} {label}", call, updates * c.sac_flop())
    return Work("sac population", f"{learners} learners, {SHAPE}", "updates/s", updates * learners, f"{VERSION} {label}", call,
                learners * updates * c.sac_flop())


def ensemble_work(label, members=MEMBERS, batch=B):
    case = c.check_case()
    records = tensor(c.transitions(np.random.default_rng(1)))
    mean, inv_std = records[:, : S + A].mean(0), 1.0 / records[:, : S + A].std(0)
    steps = 16 if cuda else 1
    rows = torch.randint(0, c.RECORDS, (steps, members, batch), device=device)
    st = model_state(case, members)
    if label.startswith("eager"):
        p = [t.requires_grad_() for t in st["p"]]
        groups = [dict(params=[t], weight_decay=d) for t, d in zip(p, DECAY)]
        # a group for each decay is what the usual code has; fused where asked
        optimizer = torch.optim.Adam(groups, lr=MODEL["lr"], fused="fused" in label, capturable=cuda)

        def step(i):
            loss = model_loss(p, *model_inputs(records, rows[i], mean, inv_std))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    else:
        f = compiled(model_step)
        step = lambda i: f(st, records, rows[i], mean, inv_std)

    def call():
        for i in range(steps):
            step(i)

    if label.endswith("+graph"):
        call = in_graph(call)
    shape = f"{members} members, {c.MEMBER_LAYERS} x {c.MEMBER_HIDDEN}, batch {batch}"
    return Work("ensemble step", shape, "steps/s", steps, f"{VERSION} {label}", call, steps * c.ensemble_flop(members, batch))


def rollout_work(label, length, rows=100000):
    case = c.check_case()
    every = label.startswith("all")
    records = tensor(c.transitions(np.random.default_rng(1)))
    mean, inv_std = records[:, : S + A].mean(0), 1.0 / records[:, : S + A].std(0)
    actor, p = network(case["actor"]), model_state(case)["p"]
    elites = [t[:ELITES].contiguous() for t in p[:-2]] + p[-2:]
    ring = torch.zeros(length, rows, c.PITCH, device=device)
    g = step_all_members if every else step_chosen
    if "compile" in label:
        g = compiled(g)
    if every:
        f = lambda s: g(actor, p, s, mean, inv_std)
    else:  # the shuffle stays outside of the compiled function: a pattern of inductor (2.11) fails on randperm in it
        shuffle = (lambda: torch.rand(rows, device=device).argsort()) if cuda else (lambda: torch.randperm(rows))
        f = lambda s: g(actor, elites, s, mean, inv_std, shuffle())

    @torch.no_grad()
    def call():
        s = records[torch.randint(0, c.RECORDS, (rows,), device=device), c.OBS]
        for k in range(length):
            record, s, done = f(s)
            if k + 1 < length:  # a fixed shape: a finished branch starts again, which costs what a live one costs
                s = torch.where(done[:, None], records[:rows, c.OBS] if rows <= c.RECORDS else records[:1, c.OBS], s)
            ring[k].copy_(record)

    if label.endswith("+graph"):
        call = in_graph(call)
    return Work("rollout", f"{rows} rows, {length} step" + "s" * (length > 1), "states/s", rows * length, f"{VERSION} {label}", call,
                rows * length * c.rollout_flop(every))


def ppo_work(label, batch):
    case = c.check_case()
    rng = np.random.default_rng(1)
    count = max(2048, batch)
    updates = count // batch
    data = [tensor(x) for x in (0.5 * rng.standard_normal((count, S)), 0.5 * rng.standard_normal((count, A)),
                                -2.7 + 0.5 * rng.standard_normal(count), 0.5 * rng.standard_normal(count), 0.5 * rng.standard_normal(count))]
    rows = torch.randint(0, count, (updates, batch), device=device)
    st = ppo_state(case)
    if label.startswith("eager"):
        policy, value, log_std = Net(case["policy"], torch.tanh), Net(case["value"], torch.tanh), nn.Parameter(tensor(np.zeros(A)))
        parameters = [*policy.parameters(), *value.parameters(), log_std]
        optimizer = torch.optim.Adam(parameters, lr=PPO["lr"], fused="fused" in label, capturable=cuda)

        def step(i):
            observation, action, old, advantage, target = [x[rows[i]] for x in data]
            z = (action - policy(observation)) * (-log_std).exp()
            log_prob = (-0.5 * z * z - log_std - 0.5 * math.log(2.0 * math.pi)).sum(-1)
            ratio = (log_prob - old).exp()
            clipped = ratio.clamp(1.0 - PPO["clip"], 1.0 + PPO["clip"])
            loss = -torch.minimum(ratio * advantage, clipped * advantage).mean()
            loss = loss + PPO["value_weight"] * 0.5 * F.mse_loss(value(observation)[:, 0], target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    else:
        f = compiled(ppo_step)
        step = lambda i: f(st, data, rows[i])

    def call():
        for i in range(updates):
            step(i)

    if label.endswith("+graph"):
        call = in_graph(call)
    flop = 2.0 * batch * sum(3 * c.macs(w) - w[0] * w[1] for w in ((S, 64, 64, A), (S, 64, 64, 1)))
    return Work("ppo", f"S {S} A {A} batch {batch}", "updates/s", updates, f"{VERSION} {label}", call, updates * flop)


def peak_work(n, repeats):
    low = torch.bfloat16 if bf16 else torch.float32
    a, b = [(torch.rand(n, n, device=device) - 0.5).to(low) for _ in range(2)]
    out = torch.empty(n, n, device=device, dtype=low)

    def call():
        for _ in range(repeats):
            torch.mm(a, b, out=out)

    if cuda:
        call = in_graph(call)
    return Work("gemm", f"{n}x{n}x{n}", "GFLOP/s", 2.0 * n**3 * repeats / 1e9, VERSION, call, 2.0 * n**3 * repeats)


# ---- what to run ----


def works():
    def add(kind_of_work, label, make):
        if kind_of_work in options.work and wanted(label, options):
            make.label = f"{kind_of_work} {label}"
            todo.append(make)

    todo = []
    g = "+graph" if cuda else ""
    full = not options.quick
    add("peak", "peak", lambda: peak_work(256, 200 if cuda else 20))
    add("peak", "peak", lambda: peak_work(4096 if cuda else 2048, 20 if cuda else 1))
    for label in ["eager", "bmm+fused", "compile"] + (["bmm+fused+graph", "compile+graph"] if cuda else []):
        if label != "compile" or not cuda or full:
            add("sac", label, lambda label=label: sac_work(label))
    for label in ["eager", "eager fused", "compile" + g] + (["eager fused+graph"] if cuda else []):
        if label != "eager" or full:
            add("ensemble", label, lambda label=label: ensemble_work(label))
            # PETS: many small steps, whose latency counts
            add("ensemble", label, lambda label=label: ensemble_work(label, *c.PETS))
    for label in ["all members", "all members compile" + g, "chosen member", "chosen member compile" + g]:
        if full or "compile" in label:
            add("rollout", label, lambda label=label: rollout_work(label, 1))
    if cuda:
        add("rollout", "chosen member compile" + g, lambda: rollout_work("chosen member compile" + g, 5))
    for batch in (64, 4096):
        for label in ["eager", "eager fused", "compile" + g] + (["eager fused+graph"] if cuda else []):
            if label != "eager" or full:
                add("ppo", label, lambda label=label, batch=batch: ppo_work(label, batch))
    for learners in (10, 100):
        updates = 4 if cuda else 1
        labels = ["compile" + g, "bmm+fused" + g] + (["vmap compile" + g] if full else [])
        for label in labels:
            add("population", label, lambda label=label, n=learners, u=updates: sac_work(label, n, u))
    return todo


def check():
    """One update of everything in float64; also each eager form of SAC against the pure function."""
    global kind
    kind = torch.float64
    case = c.check_case()
    records, rows = tensor(case["records"]), torch.tensor(case["rows"], device=device)
    batch, n1, n2 = records[rows], tensor(case["noise_next"]), tensor(case["noise"])
    st = sac_state(case)
    for _ in range(2):  # the second update has moments
        st = sac_update(st, batch, n1, n2)
    result = {"sac_" + k: v for k, v in sac_result(st).items()}
    for name, form in (("eager", EagerSac(case)), ("bmm+fused", FusedSac(case))):
        for _ in range(2):
            form.step(batch[0], n1[0], n2[0]) if name == "eager" else form.step(batch, n1, n2)
        worst = max(float((v.detach() - result["sac_" + k]).norm() / result["sac_" + k].norm()) for k, v in form.result().items())
        print(f"sac {name} against the pure function, two updates: {worst:.1e}", file=sys.stderr)
    mean, inv_std = records[:, : S + A].mean(0), 1.0 / records[:, : S + A].std(0, correction=0)
    ms = model_state(case)
    for _ in range(2):
        ms = model_update(ms, records, torch.tensor(case["model_rows"], device=device), mean, inv_std)
    result["model"], result["bounds"] = flat_networks(ms["p"][:-2]), torch.cat(ms["p"][-2:])
    ps = ppo_state(case)
    data = [tensor(case["ppo_" + k]) for k in ("observation", "action", "log_prob", "advantage", "target")]
    for _ in range(2):
        ps = ppo_update(ps, data, torch.arange(B, device=device))
    result["policy"], result["log_std"], result["value"] = flat_networks(ps["p"][:6]), ps["p"][6], flat_networks(ps["p"][7:])
    # a prediction: bounds and termination of the rollout
    out = mlp(ms["p"][:-2], ((records[:B, : S + A] - mean) * inv_std).expand(MEMBERS, -1, -1), F.silu)[3]
    record, _, _ = record_of(records[:B, c.OBS], records[:B, c.ACT], sample_output(out, ms["p"][-2], ms["p"][-1], tensor(np.ones((B, D)))))
    result["rollout"] = record
    return {k: v.detach().cpu().numpy() for k, v in result.items()}


if options.write_check:
    np.savez(options.write_check, **check())
elif options.check:
    print(f"largest relative difference: {c.compare(check(), options.check):.1e}")
else:
    c.run(works(), options, wait)
