#!/usr/bin/env python3
"""Writes torch_<stage>.csv: what the training stages compute, restated in PyTorch with float64 and autograd.

    python3 tests/golden/make_torch.py [--folder DIR]

Where PyTorch is absent the script makes a throwaway virtual environment with it first (3 GB on disk, a few
minutes); the restatement itself takes seconds.

Written from the papers and from the facts of the reference implementation (jannerm/mbpo), with torch.optim,
torch.distributions and autograd: it shares nothing with the kernels but the problem. Weights, transitions and
rows are those of values() and rows(), which tests/support/golden.h repeats, numbers that float32 holds
exactly. Random draws are restated too: Philox4x32-10 at the coordinates (seed, purpose, learner, step, row)
that base/rng.h names, Box and Muller in double.

One line per quantity: case, number of updates, quantity, numbers. Parameters are told by two projections of
each tensor's change, in units of the learning rate, on fixed vectors: a wrong element shows in both.
tests/kernels/stages/torch_test.cpp compares and says with which tolerances.
"""
import argparse
import math
import os
import pathlib
import subprocess
import sys
import tempfile

PACKAGES = ["torch==2.5.1", "numpy==2.4.6"]


def enter_environment():
    """Runs this script again in a virtual environment that has the packages, and ends with its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"making an environment with {' '.join(PACKAGES)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = os.path.join(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
        sys.exit(subprocess.run([python, os.path.abspath(__file__), *sys.argv[1:]]).returncode)


try:
    import numpy as np
    import torch
except ImportError:
    enter_environment()
import torch.nn.functional as F
from torch.distributions import Categorical, Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

torch.set_default_dtype(torch.float64)

# ------------------------------------------------------------------------------------------------
# what both sides compute exactly


def sequence(seed, count):
    """16-bit numbers of a linear congruential generator; the first two steps tell seeds apart."""
    x, out = seed, []
    for i in range(count + 2):
        x = (1664525 * x + 1013904223) % 2**32
        if i >= 2:
            out.append(x >> 16)
    return out


def values(seed, *shape, scale=1.0):
    """Numbers in [-scale, scale), multiples of scale / 2048."""
    flat = [(x // 16 - 2048) / 2048 * scale for x in sequence(seed, math.prod(shape))]
    return torch.tensor(flat).reshape(shape)


def rows(seed, *shape, below):
    return torch.tensor([x % below for x in sequence(seed, math.prod(shape))]).reshape(shape)


# ------------------------------------------------------------------------------------------------
# random draws

PURPOSE = {"replay_index": 2, "action_noise": 3, "next_action_noise": 4, "actor_noise": 5, "rollout_start": 6,
           "rollout_action": 7, "member_choice": 8, "model_noise": 9}


def philox(counter, key):
    """Philox4x32-10, Salmon et al. 2011."""
    c, k = list(counter), list(key)
    for _ in range(10):
        left, right = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(right >> 32) ^ c[1] ^ k[0], right % 2**32, (left >> 32) ^ c[3] ^ k[1], left % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


assert philox([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]) == \
    [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


class Draws:
    """Those of one seed and learner."""

    def __init__(self, seed, learner):
        self.seed, self.learner = seed, learner

    def bits(self, purpose, step, row, lane=0):
        counter = [row, lane + 256 * self.learner, step % 2**32, step >> 32]
        return philox(counter, [self.seed, PURPOSE[purpose]])

    def index(self, purpose, step, row, below):
        return self.bits(purpose, step, row)[0] * below >> 32

    def uniform(self, purpose, step, row, lane):
        return (self.bits(purpose, step, row, lane)[0] >> 8) / 2**24

    def normals(self, purpose, step, row, count):
        """Pairs from two words each: radius from the first, angle from the second."""
        out = []
        for lane in range((count + 3) // 4):
            b = [(x >> 8) / 2**24 for x in self.bits(purpose, step, row, lane)]
            for first, second in ((b[0], b[1]), (b[2], b[3])):
                radius, angle = math.sqrt(-2 * math.log(1 - first)), 2 * math.pi * second
                out += [radius * math.cos(angle), radius * math.sin(angle)]
        return torch.tensor(out[:count])

    def normal_rows(self, purpose, step, num_rows, count):
        return torch.stack([self.normals(purpose, step, row, count) for row in range(num_rows)])


# ------------------------------------------------------------------------------------------------
# networks and their optimizer


class Network:
    """Affine layers; layer i has weights [out, in] values(seed + 2 i) and biases values(seed + 2 i + 1)."""

    def __init__(self, seed, widths, activation, last_scale=0.25, hidden_scale=1.0):
        self.activation, self.tensors = activation, {}
        last = len(widths) - 2
        for i in range(last + 1):
            scale = last_scale if i == last else hidden_scale
            self.tensors[f"weight{i}"] = values(seed + 2 * i, widths[i + 1], widths[i], scale=scale)
            self.tensors[f"bias{i}"] = values(seed + 2 * i + 1, widths[i + 1], scale=0.25)
        self.start()

    def start(self):
        """The parameters as they are now are those that changes are measured from."""
        for tensor in self.tensors.values():
            tensor.requires_grad_(True)
        self.initial = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}

    def __call__(self, x):
        last = len(self.tensors) // 2 - 1
        for i in range(last + 1):
            x = F.linear(x, self.tensors[f"weight{i}"], self.tensors[f"bias{i}"])
            x = x if i == last else self.activation(x)
        return x

    def parameters(self):
        return list(self.tensors.values())

    def weights(self):
        return [self.tensors[f"weight{i}"] for i in range(len(self.tensors) // 2)]


class Adam:
    """torch.optim.Adam with epsilon where TensorFlow adds it, to the uncorrected root."""

    def __init__(self, parameters, rate, epsilon):
        self.epsilon, self.steps = epsilon, 0
        # the decay rates as float32 has them: 1 - beta2 differs by 1e-5
        self.betas = (float(np.float32(0.9)), float(np.float32(0.999)))
        self.optimizer = torch.optim.Adam(parameters, lr=rate, betas=self.betas, eps=epsilon)

    def step(self, loss_or_gradients):
        parameters = self.optimizer.param_groups[0]["params"]
        gradients = loss_or_gradients
        if torch.is_tensor(gradients):
            gradients = torch.autograd.grad(gradients, parameters)
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
        self.steps += 1
        self.optimizer.param_groups[0]["eps"] = self.epsilon / math.sqrt(1 - self.betas[1] ** self.steps)
        self.optimizer.step()


class Table:
    def __init__(self, name, text):
        self.name = name
        self.lines = [f"# {text}; PyTorch {torch.__version__.split('+')[0]}, float64 (make_torch.py)"]

    def add(self, case, updates, quantity, numbers):
        numbers = numbers.detach().flatten().tolist() if torch.is_tensor(numbers) else list(numbers)
        if not all(math.isfinite(x) for x in numbers):
            raise SystemExit(f"{case} {updates} {quantity} is not finite")
        self.lines.append(",".join([case, str(updates), quantity] + [f"{x:.9g}" for x in numbers]))

    def add_changes(self, case, updates, network, tensors, initial, rate):
        for name, tensor in tensors.items():
            change = (tensor.detach() - initial[name]).flatten() / rate
            self.add(case, updates, f"{network}.{name}",
                     [change @ values(seed, change.numel()) for seed in (901, 902)])

    def write(self, folder):
        (folder / f"torch_{self.name}.csv").write_text("\n".join(self.lines) + "\n")


# ------------------------------------------------------------------------------------------------
# soft actor-critic: Haarnoja et al. 2018, arXiv:1812.05905


def squashed(output):
    """The tanh-Gaussian of an actor's output: means, then raw log standard deviations."""
    mean, raw = output.chunk(2, dim=-1)
    # exact at the sampled point, as the transform remembers it
    transform = TanhTransform(cache_size=1)
    normal = Normal(mean, raw.clamp(-20, 2).exp())
    return normal, Independent(TransformedDistribution(normal, transform), 1), transform


def act(actor, observation, noise):
    """Reparameterized action and its log-density."""
    normal, policy, transform = squashed(actor(observation))
    action = transform(normal.loc + normal.scale * noise)
    return action, policy.log_prob(action)


def make_actor(seed, S, hidden, A):
    """The last dimension's spread lies about its upper limit."""
    actor = Network(seed, [S, *hidden, 2 * A], F.relu)
    with torch.no_grad():
        actor.tensors[f"bias{len(hidden)}"][-1] = 2.0
    actor.start()
    return actor


def transitions(seed, count, S, A):
    """Columns of `count` records: each holds [s, a, r, s'] from one sequence, every 7th ends an episode."""
    flat = values(seed, count, 2 * S + A + 1)
    s, a, r, s_next = flat.split([S, A, 1, S], dim=1)
    end = torch.tensor([float(i % 7 == 0) for i in range(count)])
    return s, a, 2 * r[:, 0], end, s_next


def sac(folder):
    S, A, hidden, B, real_rows, num_real, num_records = 5, 2, [16, 24], 12, 5, 30, 70
    rate, epsilon, discount, tau, target_entropy = 2**-8, 2**-12, 31 / 32, 2**-4, -1.5
    table = Table("sac", "updates of soft actor-critic")
    draws = Draws(seed=4, learner=3)
    records = transitions(1, num_records, S, A)
    for order in ("sequential", "simultaneous"):
        actor = make_actor(10, S, hidden, A)
        critics = [Network(20 + 10 * i, [S + A, *hidden, 1], F.relu) for i in range(2)]
        targets = [Network(40 + 10 * i, [S + A, *hidden, 1], F.relu) for i in range(2)]
        log_alpha = torch.tensor([-0.375], requires_grad=True)
        optimizers = {"actor": Adam(actor.parameters(), rate, epsilon),
                      "critics": Adam([p for c in critics for p in c.parameters()], rate, epsilon),
                      "alpha": Adam([log_alpha], rate, epsilon)}
        for update in range(10):
            # the first rows of a batch are real
            index = [draws.index("replay_index", update, row, num_real) if row < real_rows else
                     num_real + draws.index("replay_index", update, row, num_records - num_real) for row in range(B)]
            s, a, r, end, s_next = (column[index] for column in records)
            next_noise = draws.normal_rows("next_action_noise", update, B, A)
            noise = draws.normal_rows("actor_noise", update, B, A)
            alpha = log_alpha.detach().exp()[0]

            with torch.no_grad():
                a_next, log_prob_next = act(actor, s_next, next_noise)
                q_next = torch.minimum(*(t(torch.cat([s_next, a_next], 1))[:, 0] for t in targets))
                y = r + discount * (1 - end) * (q_next - alpha * log_prob_next)
            q = [c(torch.cat([s, a], 1))[:, 0] for c in critics]
            critic_losses = [0.5 * F.mse_loss(value, y) for value in q]

            def actor_loss():
                action, log_prob = act(actor, s, noise)
                value = torch.minimum(*(c(torch.cat([s, action], 1))[:, 0] for c in critics))
                return (alpha * log_prob - value).mean(), log_prob.mean().detach()

            if order == "simultaneous":
                loss, log_prob = actor_loss()
                gradients = torch.autograd.grad(loss, actor.parameters())
                optimizers["critics"].step(sum(critic_losses))
                optimizers["actor"].step(gradients)
            else:
                optimizers["critics"].step(sum(critic_losses))
                loss, log_prob = actor_loss()
                optimizers["actor"].step(loss)
            optimizers["alpha"].step(-(log_alpha * (log_prob + target_entropy)).mean())
            with torch.no_grad():
                for target, critic in zip(targets, critics):
                    for t, c in zip(target.parameters(), critic.parameters()):
                        t.lerp_(c, tau)

            table.add(order, update + 1, "losses",
                      [*critic_losses, loss, alpha, -log_prob, q[0].mean()])
            if update + 1 in (1, 10):
                table.add(order, update + 1, "log_alpha", log_alpha)
                for name, network in (("actor", actor), ("critic0", critics[0]), ("critic1", critics[1]),
                                      ("target0", targets[0]), ("target1", targets[1])):
                    table.add_changes(order, update + 1, name, network.tensors, network.initial, rate)
    table.write(folder)


# ------------------------------------------------------------------------------------------------
# the ensemble: Chua et al. 2018, arXiv:1805.12114


def bounded(raw, upper, lower):
    """A log-variance between its learned bounds."""
    below = upper - F.softplus(upper - raw)
    return lower + F.softplus(below - lower)


def ensemble(folder):
    S, A, E, hidden, num_records, num_train = 5, 2, 3, [16, 16], 60, 40
    D, rate, epsilon, penalty, decay = 1 + S, 2**-8, 2**-10, 2**-5, [2**-7, 2**-6, 2**-5]
    table = Table("ensemble", "steps of the ensemble")
    s, a, r, _, s_next = transitions(101, num_records, S, A)
    s[:, 3] = 0.5  # an input without spread
    inputs = torch.cat([s, a], 1)
    targets = torch.cat([r[:, None], s_next - s], 1)
    mean = inputs[:num_train].mean(0)
    std = inputs[:num_train].std(0, correction=0)
    std[std < 1e-6] = 1
    table.add("scaler", 0, "mean", mean)
    table.add("scaler", 0, "inv_std", 1 / std)

    # the last of ten batches is short
    order = rows(102, E, 115, below=num_train)
    batches = [order[:, 12 * i:12 * (i + 1)] for i in range(10)]
    for case in ("gaussian_nll", "mse"):
        outputs = 2 * D if case == "gaussian_nll" else D
        members = [Network(110 + 10 * e, [S + A, *hidden, outputs], F.silu, 0.5, 0.5) for e in range(E)]
        parameters = [p for m in members for p in m.parameters()]
        bounds = {}
        if case == "gaussian_nll":
            bounds = {"max_logvar": (0.5 + values(103, D, scale=0.25)).requires_grad_(True),
                      "min_logvar": (-1 + values(104, D, scale=0.25)).requires_grad_(True)}
        initial_bounds = {name: b.detach().clone() for name, b in bounds.items()}
        adam = Adam(parameters + list(bounds.values()), rate, epsilon)

        for step, batch in enumerate(batches):
            rows_loss = 0
            for e, member in enumerate(members):
                output = member((inputs[batch[e]] - mean) / std)
                square = (output[:, :D] - targets[batch[e]]) ** 2
                if bounds:
                    logvar = bounded(output[:, D:], bounds["max_logvar"], bounds["min_logvar"])
                    square = square * torch.exp(-logvar) + logvar
                rows_loss = rows_loss + square.mean()
            loss = rows_loss
            for member in members:
                loss = loss + sum(0.5 * c * (w**2).sum() for c, w in zip(decay, member.weights()))
            if bounds:
                loss = loss + penalty * (bounds["max_logvar"].sum() - bounds["min_logvar"].sum())
            adam.step(loss)
            if step + 1 in (1, 10):
                table.add(case, step + 1, "loss", rows_loss[None])
                for e, member in enumerate(members):
                    table.add_changes(case, step + 1, f"member{e}", member.tensors, member.initial, rate)
                for name, bound in bounds.items():
                    table.add(case, step + 1, name, (bound - initial_bounds[name]) / rate)
        x, y = (inputs[num_train:] - mean) / std, targets[num_train:]
        table.add(case, 10, "holdout_mse", [F.mse_loss(m(x)[:, :D], y) for m in members])
    table.write(folder)


# ------------------------------------------------------------------------------------------------
# proximal policy optimization: Schulman et al. 2017, arXiv:1707.06347; advantages arXiv:1506.02438


def ppo(folder):
    S, hidden, T, N, B = 5, [16, 24], 8, 3, 12
    rate, epsilon, discount, lam = 2**-8, 2**-10, 15 / 16, 7 / 8
    clip, entropy_bonus, value_weight, max_norm = 3 / 16, 2**-5, 0.75, 0.5
    table = Table("ppo", "acting, advantages and updates of proximal policy optimization")
    draws = Draws(seed=6, learner=1)
    observation, next_observation = values(201, T * N, S), values(202, T * N, S)
    reward = values(203, T * N, scale=2.0)
    end = torch.tensor([float(i % 7 == 3) for i in range(T * N)])
    cut = torch.tensor([float(i % 7 != 3 and i % 11 == 5) for i in range(T * N)])
    for case in ("gaussian", "categorical"):
        heads = [2, 3] if case == "categorical" else []
        policy = Network(210, [S, *hidden, sum(heads) or 2], torch.tanh, 0.5)
        value = Network(220, [S, *hidden, 1], torch.tanh, 0.5)
        log_std = values(230, 2, scale=0.5).requires_grad_(True)
        initial_log_std = {"log_std": log_std.detach().clone()}

        def distributions(x):
            """One for each column of log-probabilities."""
            output = policy(x)
            if heads:
                return [Categorical(logits=l) for l in output.split(heads, dim=1)]
            return [Independent(Normal(output, log_std.exp()), 1)]

        # row t N + n is step t of environment n; draws belong to (step, environment)
        with torch.no_grad():
            given = distributions(observation)
            if heads:
                u = torch.tensor([[draws.uniform("action_noise", 40 + i // N, i % N, h) for h in range(len(heads))]
                                  for i in range(T * N)])
                action = torch.stack([(d.probs.cumsum(1)[:, :-1] <= u[:, h:h + 1]).sum(1)
                                      for h, d in enumerate(given)], 1)
                columns = list(action.T)
            else:
                noise = torch.stack([draws.normals("action_noise", 40 + i // N, i % N, 2) for i in range(T * N)])
                action = given[0].mean + given[0].stddev * noise
                columns = [action]
            log_prob = torch.stack([d.log_prob(c) for d, c in zip(given, columns)], 1)
            v, v_next = value(observation)[:, 0], value(next_observation)[:, 0]
        table.add(case, 0, "action", action.double())
        table.add(case, 0, "log_prob", log_prob)
        table.add(case, 0, "value", v)

        # sum over later steps of (discount lambda)^l delta, up to the end or the cut of an episode
        delta = reward + discount * (1 - end) * v_next - v
        advantage = torch.zeros(T * N)
        for i in range(T * N):
            weight = 1.0
            for j in range(i, T * N, N):
                advantage[i] += weight * delta[j]
                if end[j] or cut[j]:
                    break
                weight *= discount * lam
        value_target = advantage + v
        table.add(case, 0, "advantage", advantage)
        table.add(case, 0, "value_target", value_target)
        advantage = (advantage - advantage.mean()) / (advantage.std(correction=0) + 1e-8)
        # as if another policy had acted: ratios on both sides of the clip range
        old_log_prob = log_prob + values(204, *log_prob.shape, scale=0.5)

        named = [("policy", policy.tensors, policy.initial), ("value", value.tensors, value.initial)]
        if not heads:
            named.append(("gaussian", {"log_std": log_std}, initial_log_std))
        parameters = [p for _, tensors, _ in named for p in tensors.values()]
        adam = Adam(parameters, rate, epsilon)
        order = rows(205, 10, B, below=T * N)
        for update, chosen in enumerate(order):
            now = distributions(observation[chosen])
            new = torch.stack([d.log_prob(c[chosen]) for d, c in zip(now, columns)], 1)
            ratio = (new - old_log_prob[chosen]).exp()
            A = advantage[chosen][:, None]
            surrogate = -torch.minimum(ratio * A, ratio.clamp(1 - clip, 1 + clip) * A).sum(1).mean()
            value_loss = 0.5 * F.mse_loss(value(observation[chosen])[:, 0], value_target[chosen])
            entropy = sum(d.entropy() for d in now).mean()
            loss = surrogate + value_weight * value_loss - entropy_bonus * entropy
            gradients = torch.autograd.grad(loss, parameters)
            norm = math.sqrt(sum((g**2).sum() for g in gradients))
            adam.step([g * min(1.0, max_norm / norm) for g in gradients])
            kl = (ratio - 1 - ratio.log()).sum(1).mean()
            clipped = ((ratio - 1).abs() > clip).double().mean()
            table.add(case, update + 1, "losses", [surrogate, value_loss, entropy, kl, clipped])
            if update + 1 in (1, 10):
                for name, tensors, initial in named:
                    table.add_changes(case, update + 1, name, tensors, initial, rate)
    table.write(folder)


# ------------------------------------------------------------------------------------------------
# imagined branches: Janner et al. 2019, arXiv:1906.08253, on the Hopper


def hopper_ends(o):
    """Fallen, or not to be believed; bounded on both sides, where the reference bounds from above."""
    believable = bool(torch.isfinite(o).all() and (o[1:].abs() < 100).all())
    return not (believable and o[0] > 0.7 and abs(o[1]) < 0.2)


def rollout(folder):
    S, A, hidden, num_records, num_rows, length = 11, 3, [16, 24], 20, 12, 3
    elites, call = [2, 0, 3], 5
    table = Table("rollout", "acting, and imagined branches of the Hopper")
    draws = Draws(seed=11, learner=1)
    states = values(301, num_records, S, scale=0.25)
    states[:, 0] += 1.0    # height, m; within 0.7 but for what the model adds
    states[:, 1] *= 0.75   # angle, rad; within 0.2 likewise
    actor = make_actor(310, S, hidden, A)
    members = [Network(320 + 10 * e, [S + A, 16, 16, 2 * (1 + S)], F.silu, 0.0625, 0.5) for e in range(4)]
    mean, inv_std = values(302, S + A, scale=0.25), 1.25 + values(303, S + A, scale=0.5)
    upper, lower = -6 + values(304, 1 + S, scale=0.5), -8 + values(305, 1 + S, scale=0.5)

    with torch.no_grad():
        # acting: greedily, and by the draws of a step
        table.add("policy", 0, "mean", torch.tanh(squashed(actor(states[:4]))[0].loc))
        action, log_prob = act(actor, states[:4], draws.normal_rows("action_noise", 77, 4, A))
        table.add("policy", 0, "action", action)
        chosen = values(306, 4, A)
        table.add("policy", 0, "log_prob", squashed(actor(states[:4]))[1].log_prob(chosen))

        live = {row: states[draws.index("rollout_start", 65536 * call, row, num_records)] for row in range(num_rows)}
        ended = 0
        for step in range(length):
            draw, following = 65536 * call + step, {}
            for row, s in live.items():
                a, _ = act(actor, s, draws.normals("rollout_action", draw, row, A))
                member = elites[draws.index("member_choice", draw, row, len(elites))]
                predicted, raw = members[member]((torch.cat([s, a]) - mean) * inv_std).chunk(2)
                std = torch.exp(0.5 * bounded(raw, upper, lower))
                sample = predicted + std * draws.normals("model_noise", draw, row, 1 + S)
                s_next = s + sample[1:]
                end = hopper_ends(s_next)
                table.add("hopper", step + 1, "record", [*s, *a, sample[0], float(end), *s_next])
                ended += end
                if not end:
                    following[row] = s_next
            if not following or len(following) == len(live):
                raise SystemExit(f"step {step}: {len(live)} branches, {len(following)} go on")
            live = following
        table.add("hopper", length, "ended", [float(ended)])
    table.write(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    folder = parser.parse_args().folder
    for stage in (sac, ensemble, ppo, rollout):
        stage(folder)


if __name__ == "__main__":
    main()
