// Tests of the stages on every device against their restatement in PyTorch
// (tests/golden/make_torch.py): soft actor-critic in both orders, the ensemble with both losses,
// proximal policy optimization with both kinds of actions, imagined branches.
//
// Tolerances are five times the largest difference of float32 from the tables, on the CPU and on
// the emulated GPU, whose sums have another order. Parameters change by up to 1 per step in their
// unit, the learning rate, and epsilon is large enough that the size of a gradient shows.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "golden_tables.h"
#include "host/algo/draws.h"
#include "host/algo/ppo.h"
#include "kernels/networks/normalizer.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/policy/policy.h"
#include "kernels/stages/ppo/gae.h"
#include "kernels/stages/ppo/ppo_update.h"
#include "kernels/stages/rollout/rollout.h"
#include "kernels/stages/sac/sac_update.h"
#include "tests/support/devices.h"
#include "tests/support/golden.h"

namespace mbrl {
namespace {

constexpr Tolerance kValues{1e-5, 1e-5};   // losses, actions, states
constexpr Tolerance kChanges{2e-5, 1e-3};  // projected changes of parameters

/// Records of [s, a, r, s'] from one sequence; rewards are doubled, every 7th ends an episode.
Buffer<float> transitions(const TransitionLayout& layout, std::uint32_t seed, int count) {
  const int S = layout.observation_size, A = layout.action_size;
  const auto width = static_cast<std::size_t>(2 * S + A + 1);
  const std::vector<float> all = golden::values(seed, static_cast<std::size_t>(count) * width);
  Buffer<float> records(static_cast<std::size_t>(count) * layout.pitch(), 0.0f);
  for (int row = 0; row < count; ++row) {
    const float* from = all.data() + static_cast<std::size_t>(row) * width;
    write_record(records.data() + static_cast<std::size_t>(row) * layout.pitch(), layout, from,
                 from + S, 2.0f * from[S + A], row % 7 == 0, from + S + A + 1);
  }
  return records;
}

void fill_actor(GaussianActor& actor, std::uint32_t seed) {
  golden::fill_network(actor.layout, actor.parameters.value.data(), seed);
  // the last dimension's spread lies about its upper limit
  const LayerLayout& last = actor.layout.layers.back();
  actor.parameters.value[last.bias + static_cast<std::size_t>(last.out) - 1] = 2.0f;
}

using TorchTest = DeviceTest<>;

// -------------------------------------------------------------------------------------------------

TEST_P(TorchTest, SoftActorCritic) {
  golden::Table table(golden_tables::kSac);
  constexpr int kReal = 30, kRecords = 70;
  const TransitionLayout layout{5, 2};
  const Buffer<float> host_records = transitions(layout, 1, kRecords);
  for (const bool simultaneous : {false, true}) {
    table.begin(simultaneous ? "simultaneous" : "sequential");
    SacState state(5, 2, {16, 24});
    fill_actor(state.actor, 10);
    for (int i = 0; i < 2; ++i) {
      const auto seed = static_cast<std::uint32_t>(10 * i);
      golden::fill_network(state.critics.layout, state.critics.critic[i].value.data(), 20 + seed);
      golden::fill_network(state.critics.layout, state.critics.target[i].data(), 40 + seed);
    }
    state.log_alpha.value[0] = -0.375f;
    const SacConstants constants{.batch_size = 12,
                                 .discount = 0.96875f,
                                 .tau = 0.0625f,
                                 .target_entropy = -1.5f,
                                 .adam = {.learning_rate = 0x1p-8f, .epsilon = 0x1p-12f},
                                 .simultaneous = simultaneous,
                                 .seed = 4,
                                 .learner = 3};

    DeviceStream stream(on());
    SacState trained = copy_to(stream.memory(), state);
    const Buffer<float> records = copy_to(stream.memory(), host_records);
    const MixedSource source{{records.data(), layout, kReal},
                             {records.data() + static_cast<std::size_t>(kReal) * layout.pitch(),
                              layout, kRecords - kReal},
                             5};
    SacWorkspace workspace(stream, trained, constants.batch_size);
    SacState after = copy_to(Memory::kHost, state);
    for (int update = 1; update <= 10; ++update) {
      const SacLosses l = sac_update(stream, trained, source, constants, workspace);
      table.expect(update, "losses",
                   std::array{l.critic_loss[0], l.critic_loss[1], l.actor_loss, l.alpha, l.entropy,
                              l.mean_q},
                   kValues);
      if (update != 1 && update != 10) continue;
      take_over(after, trained);
      table.expect(update, "log_alpha", after.log_alpha.value, kValues);
      const auto changes = [&](const std::string& name, const MlpLayout& network,
                               const Buffer<float>& now, const Buffer<float>& before) {
        table.expect_changes(update, name, network, now.data(), before.data(), 0x1p-8, kChanges);
      };
      changes("actor", state.actor.layout, after.actor.parameters.value,
              state.actor.parameters.value);
      for (int i = 0; i < 2; ++i) {
        changes("critic" + std::to_string(i), state.critics.layout, after.critics.critic[i].value,
                state.critics.critic[i].value);
        changes("target" + std::to_string(i), state.critics.layout, after.critics.target[i],
                state.critics.target[i]);
      }
    }
  }
}

// -------------------------------------------------------------------------------------------------

/// The members, and a scaler fitted to the training rows.
struct EnsembleTrial {
  static constexpr int kRecords = 60, kTrain = 40, kMembers = 3, kBatch = 12, kRows = 115;

  TransitionLayout layout{5, 2};
  Buffer<float> records = transitions(layout, 101, kRecords);
  EnsembleState state;
  EnsembleConstants constants{.adam = {.learning_rate = 0x1p-8f, .epsilon = 0x1p-10f},
                              .weight_decay = {0x1p-7f, 0x1p-6f, 0x1p-5f},
                              .logvar_penalty = 0x1p-5f};

  explicit EnsembleTrial(EnsembleLoss loss)
      : state(kMembers, layout, 16, 2, Memory::kHost, {loss}) {
    for (int row = 0; row < kRecords; ++row)  // an input without spread
      records[static_cast<std::size_t>(row) * layout.pitch() + 3] = 0.5f;
    init_ensemble(state, 0, 0, 0.0f, 0.0f);
    for (int e = 0; e < kMembers; ++e)
      golden::fill_network(state.layout, state.member(e), 110 + 10 * static_cast<std::uint32_t>(e),
                           0.5f, 0.5f);
    const auto D = static_cast<std::size_t>(state.num_targets());
    for (std::size_t i = 0; i < D && state.num_shared() > 0; ++i) {
      state.max_logvar()[i] = 0.5f + golden::values(103, D, 0.25f)[i];
      state.min_logvar()[i] = -1.0f + golden::values(104, D, 0.25f)[i];
    }
  }

  /// Rows [begin, end) of each member's order.
  static std::vector<std::uint32_t> rows(int begin, int end) {
    const std::vector<std::uint32_t> order = golden::rows(102, kMembers * kRows, kTrain);
    std::vector<std::uint32_t> chosen;
    for (int e = 0; e < kMembers; ++e)
      chosen.insert(chosen.end(), order.begin() + e * kRows + begin,
                    order.begin() + e * kRows + end);
    return chosen;
  }
};

TEST_P(TorchTest, Ensemble) {
  golden::Table table(golden_tables::kEnsemble);
  for (const EnsembleLoss loss : {EnsembleLoss::kGaussianNll, EnsembleLoss::kMse}) {
    EnsembleTrial p(loss);
    DeviceStream stream(on());
    EnsembleState state = copy_to(stream.memory(), p.state);
    const Buffer<float> records = copy_to(stream.memory(), p.records);
    const TransitionsView data{records.data(), p.layout, EnsembleTrial::kRecords};
    const auto consecutive = [&](std::uint32_t begin, std::uint32_t end) {
      std::vector<std::uint32_t> indices;
      for (std::uint32_t i = begin; i < end; ++i) indices.push_back(i);
      return copy_to(stream.memory(), indices);
    };
    const Buffer<std::uint32_t> train = consecutive(0, EnsembleTrial::kTrain);
    const Buffer<std::uint32_t> holdout =
        consecutive(EnsembleTrial::kTrain, EnsembleTrial::kRecords);
    Buffer<double> scratch;
    fit_normalizer(stream, data, state.maps, {train.data(), train.size()},
                   {state.input_mean.data(), state.input_mean.size()},
                   {state.input_inv_std.data(), state.input_inv_std.size()}, 1e-6f, scratch);
    stream.stream.synchronize();
    if (loss == EnsembleLoss::kGaussianNll) {
      table.begin("scaler");
      table.expect(0, "mean", to_host(state.input_mean), kValues);
      table.expect(0, "inv_std", to_host(state.input_inv_std), kValues);
    }

    table.begin(ensemble_loss_names()[static_cast<std::size_t>(loss)]);
    EnsembleWorkspace workspace(stream, state, EnsembleTrial::kBatch);
    EnsembleState after = copy_to(Memory::kHost, p.state);
    // one step, then nine, of which the last has 7 rows
    for (const auto& [begin, end, steps] : {std::array{0, 12, 1}, std::array{12, 115, 10}}) {
      const Buffer<std::uint32_t> rows = copy_to(stream.memory(), EnsembleTrial::rows(begin, end));
      const EnsembleEpoch epoch =
          ensemble_epoch(stream, state, data, {rows.data(), EnsembleTrial::kMembers, end - begin},
                         EnsembleTrial::kBatch, p.constants, workspace);
      ASSERT_EQ(state.num_steps, steps);
      table.expect(steps, "loss", std::array{epoch.loss}, kValues);
      take_over(after, state);
      for (int e = 0; e < EnsembleTrial::kMembers; ++e)
        table.expect_changes(steps, "member" + std::to_string(e), p.state.layout, after.member(e),
                             p.state.member(e), 0x1p-8, kChanges);
      const char* names[] = {"max_logvar", "min_logvar"};
      for (int which = 0; which < p.state.num_shared(); ++which) {
        std::vector<float> change;
        for (int i = 0; i < p.state.num_targets(); ++i)
          change.push_back((after.shared(which)[i] - p.state.shared(which)[i]) * 0x1p8f);
        table.expect(steps, names[which], change, kChanges);
      }
    }
    std::vector<double> mse(EnsembleTrial::kMembers);
    ensemble_holdout_mse(stream, state, data, {holdout.data(), holdout.size()}, mse, workspace);
    table.expect(10, "holdout_mse", mse, kValues);
  }
}

// -------------------------------------------------------------------------------------------------

TEST_P(TorchTest, ProximalPolicyOptimization) {
  golden::Table table(golden_tables::kPpo);
  constexpr int kS = 5, kT = 8, kN = 3, kRows = kT * kN, kBatch = 12, kUpdates = 10;
  const std::vector<float> observation = golden::values(201, kRows * kS),
                           next_observation = golden::values(202, kRows * kS),
                           reward = golden::values(203, kRows, 2.0f);
  std::vector<float> end(kRows), cut(kRows);
  for (int i = 0; i < kRows; ++i) {
    end[static_cast<std::size_t>(i)] = i % 7 == 3 ? 1.0f : 0.0f;
    cut[static_cast<std::size_t>(i)] = i % 7 != 3 && i % 11 == 5 ? 1.0f : 0.0f;
  }
  for (const bool gaussian : {true, false}) {
    table.begin(gaussian ? "gaussian" : "categorical");
    const PpoShape shape{.observation_size = kS,
                         .hidden_sizes = {16, 24},
                         .heads = gaussian ? std::vector<int>{} : std::vector<int>{2, 3},
                         .action_size = gaussian ? 2 : 0,
                         .value = true};
    PpoState before(shape);
    golden::fill_network(before.policy_layout, before.policy.value.data(), 210, 0.5f);
    golden::fill_network(before.value_layout, before.value.value.data(), 220, 0.5f);
    from_host(before.log_std.value, golden::values(230, before.log_std.value.size(), 0.5f));

    DeviceStream stream(on());
    PpoState state = copy_to(stream.memory(), before);
    PpoWorkspace workspace(stream, state, kBatch);
    const int columns = shape.num_log_probs();
    std::vector<float> action(static_cast<std::size_t>(kRows * shape.num_actions())),
        log_prob(static_cast<std::size_t>(kRows * columns)), value(kRows), next_value(kRows);
    for (int t = 0; t < kT; ++t) {
      const auto at = static_cast<std::size_t>(t * kN);
      const auto step = static_cast<std::uint64_t>(40 + t);
      const RandomKey key{6, purpose::kActionNoise, 1};
      const Matrix<float> actions(action.data() + at * shape.num_actions(), kN,
                                  shape.num_actions());
      std::vector<float> unused(actions.count());
      ppo_act(stream, state,
              {.observation = {next_observation.data() + at * kS, kN, kS},
               .action = {unused.data(), kN, shape.num_actions()},
               .log_prob = {},
               .value = {next_value.data() + at, kN},
               .stochastic = false,
               .key = {}},
              workspace);
      ppo_act(stream, state,
              {.observation = {observation.data() + at * kS, kN, kS},
               .action = actions,
               .log_prob = {log_prob.data() + at * columns, kN, columns},
               .value = {value.data() + at, kN},
               .key = key,
               .step = step},
              workspace);
    }
    table.expect(0, "action", action, kValues);
    table.expect(0, "log_prob", log_prob, kValues);
    table.expect(0, "value", value, kValues);

    Buffer<float> advantage(kRows, stream.memory()), target(kRows, stream.memory());
    const auto on_device = [&](const std::vector<float>& from) {
      return copy_to(stream.memory(), from);
    };
    const auto steps = [&](const Buffer<float>& of) {
      return Matrix<const float>(of.data(), kT, kN);
    };
    const Buffer<float> r = on_device(reward), v = on_device(value), v_next = on_device(next_value),
                        ended = on_device(end), was_cut = on_device(cut);
    gae(stream, {advantage.data(), kT, kN}, {target.data(), kT, kN},
        {steps(r), steps(v), steps(v_next), steps(ended), steps(was_cut)}, 0.9375f, 0.875f);
    stream.stream.synchronize();
    std::vector<float> normalized = to_host(advantage);
    table.expect(0, "advantage", normalized, kValues);
    table.expect(0, "value_target", to_host(target), kValues);
    normalize_advantages(normalized, std::vector<float>(kRows, 0.0f));
    from_host(advantage, normalized);

    // as if another policy had acted
    const std::vector<float> other = golden::values(204, log_prob.size(), 0.5f);
    for (std::size_t i = 0; i < log_prob.size(); ++i) log_prob[i] += other[i];
    const Buffer<float> s = on_device(observation), a = on_device(action), p = on_device(log_prob);
    const PpoBatch batch{{s.data(), kRows, kS},
                         {a.data(), kRows, shape.num_actions()},
                         {p.data(), kRows, columns},
                         {advantage.data(), kRows},
                         {target.data(), kRows}};
    const PpoConstants constants{.clip = 0.1875f,
                                 .entropy_bonus = 0x1p-5f,
                                 .value_weight = 0.75f,
                                 .max_gradient_norm = 0.5f,
                                 .adam = {.learning_rate = 0x1p-8f, .epsilon = 0x1p-10f}};
    const Buffer<std::uint32_t> rows =
        copy_to(stream.memory(), golden::rows(205, kUpdates * kBatch, kRows));
    PpoState after = copy_to(Memory::kHost, before);
    for (int update = 1; update <= kUpdates; ++update) {
      PpoLosses l;
      ppo_update(stream, {&l, 1}, state, batch, {rows.data() + (update - 1) * kBatch, 1, kBatch},
                 constants, workspace);
      table.expect(update, "losses",
                   std::array{l.policy_loss, l.value_loss, l.entropy, l.approx_kl, l.clip_fraction},
                   kValues);
      if (update != 1 && update != kUpdates) continue;
      take_over(after, state);
      table.expect_changes(update, "policy", before.policy_layout, after.policy.value.data(),
                           before.policy.value.data(), 0x1p-8, kChanges);
      table.expect_changes(update, "value", before.value_layout, after.value.value.data(),
                           before.value.value.data(), 0x1p-8, kChanges);
      if (gaussian)
        table.expect(update, "gaussian.log_std",
                     golden::projected_change(to_host(after.log_std.value),
                                              to_host(before.log_std.value), 0x1p-8),
                     kChanges);
    }
  }
}

// -------------------------------------------------------------------------------------------------

TEST_P(TorchTest, ActingAndImaginedBranches) {
  golden::Table table(golden_tables::kRollout);
  constexpr int kS = 11, kA = 3, kRecords = 20;
  const TransitionLayout layout{kS, kA};
  std::vector<float> states = golden::values(301, kRecords * kS, 0.25f);
  Buffer<float> host_records(static_cast<std::size_t>(kRecords) * layout.pitch(), 0.0f);
  for (std::size_t row = 0; row < kRecords; ++row) {
    states[row * kS] += 1.0f;       // height
    states[row * kS + 1] *= 0.75f;  // angle
    std::copy_n(states.data() + row * kS, kS,
                host_records.data() + row * static_cast<std::size_t>(layout.pitch()));
  }
  GaussianActor host_policy(kS, kA, {16, 24});
  fill_actor(host_policy, 310);
  EnsembleState host_model(4, layout, 16, 2);
  init_ensemble(host_model, 0, 0, 0.0f, 0.0f);
  host_model.elites = {2, 0, 3};
  for (int e = 0; e < 4; ++e)
    golden::fill_network(host_model.layout, host_model.member(e),
                         320 + 10 * static_cast<std::uint32_t>(e), 0.0625f, 0.5f);
  for (std::size_t i = 0; i < kS + kA; ++i) {
    host_model.input_mean[i] = golden::values(302, kS + kA, 0.25f)[i];
    host_model.input_inv_std[i] = 1.25f + golden::values(303, kS + kA, 0.5f)[i];
  }
  for (std::size_t i = 0; i < 1 + kS; ++i) {
    host_model.max_logvar()[i] = -6.0f + golden::values(304, 1 + kS, 0.5f)[i];
    host_model.min_logvar()[i] = -8.0f + golden::values(305, 1 + kS, 0.5f)[i];
  }

  DeviceStream stream(on());
  const GaussianActor policy = copy_to(stream.memory(), host_policy);
  PolicyWorkspace acting(stream, policy, 4);
  const Matrix<const float> observation(states.data(), 4, kS);
  std::vector<float> action(4 * kA), log_prob(4);
  table.begin("policy");
  policy_act(stream, policy,
             {.observation = observation,
              .action = {action.data(), 4, kA},
              .stochastic = false,
              .key = {}},
             acting);
  table.expect(0, "mean", action, kValues);
  policy_act(stream, policy,
             {.observation = observation,
              .action = {action.data(), 4, kA},
              .key = {11, purpose::kActionNoise, 1},
              .step = 77},
             acting);
  table.expect(0, "action", action, kValues);
  const std::vector<float> chosen = golden::values(306, 4 * kA);
  policy_log_prob(stream, policy, observation, {chosen.data(), 4, kA}, {log_prob.data(), 4},
                  acting);
  table.expect(0, "log_prob", log_prob, kValues);

  const EnsembleState model = copy_to(stream.memory(), host_model);
  const Buffer<float> records = copy_to(stream.memory(), host_records);
  const RolloutConstants constants{.num_rows = 12,
                                   .length = 3,
                                   .task = TaskId::kHopper,
                                   .seed = 11,
                                   .learner = 1,
                                   .rollout_index = 5};
  RolloutWorkspace workspace(stream, policy, model, constants.num_rows, 3);
  Buffer<float> ring(100u * static_cast<std::size_t>(layout.pitch()), 0.0f, stream.memory());
  const RolloutResult result = rollout(stream, policy, model, {records.data(), layout, kRecords},
                                       {ring.data(), 100, 0}, constants, workspace);
  const Buffer<float> written = host_copy(ring);
  table.begin("hopper");
  ASSERT_EQ(result.num_steps, 3);
  table.expect(3, "ended", std::array{static_cast<float>(result.num_terminated)}, {});
  // records follow one another step by step, in the order of their branches
  std::size_t at = 0, live = 12;
  for (int step = 1; step <= 3; ++step) {
    std::size_t ended = 0;
    for (std::size_t row = 0; row < live; ++row, ++at) {
      const float* record = written.data() + at * static_cast<std::size_t>(layout.pitch());
      table.expect(step, "record",
                   std::vector<float>(record, record + layout.next_observation() + kS), kValues);
      ended += record[layout.terminated()] != 0.0f;
    }
    live -= ended;
  }
  EXPECT_EQ(result.num_written, at);
}

INSTANTIATE_TEST_SUITE_P(Devices, TorchTest, testing::ValuesIn(available_devices()), ParamName());

}  // namespace
}  // namespace mbrl
