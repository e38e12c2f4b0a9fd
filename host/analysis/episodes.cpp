#include "host/analysis/episodes.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"
#include "envs/pool.h"
#include "host/analysis/fresh_episodes.h"
#include "host/io/replace_file.h"
#include "host/io/safetensors.h"

namespace mbrl {

Episodes record_episodes(Stream& stream, Learner& learner, int count, int max_steps) {
  EnvPool envs(learner.config().env, count, fresh_seed(learner), stream.pool());
  const std::unique_ptr<PolicyCopy> policy = learner.make_policy_copy(stream, count);
  policy->renew();
  const auto N = static_cast<std::size_t>(count);
  Episodes all{.env = learner.config().env.name,
               .layout = {envs.spec().observation_size, envs.spec().action_size},
               .records = {},
               .lengths = std::vector<int>(N, 0),
               .returns = std::vector<double>(N, 0.0)};
  const int S = all.layout.observation_size, A = all.layout.action_size;
  const auto pitch = static_cast<std::size_t>(all.layout.pitch());
  std::vector<float> actions(N * static_cast<std::size_t>(A));
  const Matrix<float> action(actions.data(), count, A);
  std::vector<std::vector<float>> records(N);
  std::vector<std::uint8_t> active(N, 1);

  envs.reset(kFreshEpisode);
  for (int t = 0; t < max_steps && std::count(active.begin(), active.end(), 1) > 0; ++t) {
    policy->act(envs.observation(), action);
    // the pool shows the next observation after a step: keep the one acted on
    const Matrix<const float> shown = envs.observation();
    const std::vector<float> observation(shown.data, shown.data + shown.count());
    const PoolStep step = envs.step(action, active);
    for (std::size_t i = 0; i < N; ++i) {
      if (!active[i]) continue;
      if (step.terminated[i] || step.truncated[i]) active[i] = 0;
      if (step.broken[i]) continue;
      records[i].resize(records[i].size() + pitch, 0.0f);
      float* record = records[i].data() + records[i].size() - pitch;
      const int row = static_cast<int>(i);
      write_record(record, all.layout, observation.data() + i * static_cast<std::size_t>(S),
                   action.row(row), step.reward[i], step.terminated[i] != 0,
                   step.next_observation.row(row));
      all.returns[i] += step.reward[i];
      ++all.lengths[i];
    }
  }
  for (const std::vector<float>& episode : records)
    all.records.insert(all.records.end(), episode.begin(), episode.end());
  return all;
}

void write_bank(const std::filesystem::path& path, const Episodes& episodes) {
  Episodes copy = episodes;
  const auto count = static_cast<std::int64_t>(copy.lengths.size());
  replace_file(path, [&](const std::filesystem::path& file) {
    write_safetensors(
        file,
        {tensor_ref("real", copy.records.data(),
                    {static_cast<std::int64_t>(copy.num_steps()), copy.layout.pitch()}),
         tensor_ref("lengths", copy.lengths.data(), {count}),
         tensor_ref("returns", copy.returns.data(), {count})},
        {{"env", copy.env},
         {"observation_size", std::to_string(copy.layout.observation_size)},
         {"action_size", std::to_string(copy.layout.action_size)}});
  });
}

Episodes read_bank(const std::filesystem::path& path, const std::string& env,
                   const TransitionLayout& layout) {
  const SafetensorsFile file(path);
  const auto said = [&](const char* name, const std::string& otherwise) {
    const auto at = file.metadata().find(name);
    return at == file.metadata().end() ? otherwise : at->second;
  };
  if (!file.contains("real"))
    throw DataError(
        fmt::format("{} holds no trajectories; expected a tensor \"real\", as `mbrl_gpu eval RUN "
                    "--save-trajectories FILE` writes it, or replay.safetensors of a checkpoint.",
                    path.string()));
  Episodes bank{
      .env = said("env", ""), .layout = layout, .records = {}, .lengths = {}, .returns = {}};
  const std::vector<std::int64_t>& shape = file.shape("real");
  const std::string S = std::to_string(layout.observation_size),
                    A = std::to_string(layout.action_size);
  if ((!bank.env.empty() && bank.env != env) || said("observation_size", S) != S ||
      said("action_size", A) != A || shape.size() != 2 || shape[1] != layout.pitch())
    throw DataError(fmt::format(
        "{} holds trajectories of {}, which do not fit the model's: expected those of {}, with {} "
        "observation entries, {} actions and {} numbers a step.",
        path.string(), bank.env.empty() ? "another environment" : bank.env, env, S, A,
        layout.pitch()));
  if (shape[0] == 0) throw DataError(fmt::format("{} holds no step.", path.string()));
  bank.records.resize(static_cast<std::size_t>(shape[0] * shape[1]));
  file.read_into(tensor_ref("real", bank.records.data(), shape), SafetensorsFile::Values::kFinite);
  if (file.contains("lengths")) {
    const std::vector<std::int64_t>& lengths = file.shape("lengths");
    if (lengths.size() != 1)
      throw DataError(fmt::format("{}: its lengths have {} dimensions; expected one, [episodes].",
                                  path.string(), lengths.size()));
    bank.lengths.resize(static_cast<std::size_t>(lengths[0]));
    file.read_into(tensor_ref("lengths", bank.lengths.data(), lengths));
    // as many steps as there are, or they say nothing
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < bank.lengths.size(); ++i) {
      if (bank.lengths[i] < 0)
        throw DataError(fmt::format("{}: episode {} has a length of {}; expected 0 or more.",
                                    path.string(), i, bank.lengths[i]));
      sum += bank.lengths[i];
    }
    if (sum != shape[0])
      throw DataError(fmt::format("{}: its lengths add up to {} steps; it has {}.", path.string(),
                                  sum, shape[0]));
  }
  return bank;
}

}  // namespace mbrl
