#include "host/tune/autombpo/controller.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/archive.h"
#include "host/io/crc32c.h"
#include "host/io/output_file.h"
#include "host/io/replace_file.h"
#include "host/io/safetensors.h"
#include "kernels/data/permutation.h"
#include "kernels/networks/host_mlp.h"

namespace mbrl {

namespace {

PpoShape controller_shape(const Config& config, const std::vector<std::string>& heads,
                          const std::vector<std::string>& visible) {
  PpoShape shape{.observation_size = hyper_state_size(visible, config),
                 .hidden_sizes = {config.controller.hidden_size},
                 .heads = {},
                 .action_size = 0,
                 .value = config.controller.value_baseline};
  for (const std::string& head : heads) shape.heads.push_back(num_options(head));
  return shape;
}

}  // namespace

ControllerStack::Group::Group(Stream& stream, const Config& config, std::vector<std::string> own,
                              std::vector<std::string> in_state)
    : heads(std::move(own)),
      visible(std::move(in_state)),
      state(controller_shape(config, heads, visible), stream.memory()),
      workspace(stream, state, config.controller.batch_size) {}

ControllerStack::ControllerStack(Stream& stream, const Config& config, std::uint32_t seed)
    : config_(config.controller) {
  std::vector<std::string> visible;
  for (const std::vector<std::string>& heads : controller_groups(config.controller)) {
    visible.insert(visible.end(), heads.begin(), heads.end());
    groups_.emplace_back(stream, config, heads, visible);
    // near equal chances at first: no hyperparameter is preferred before anything was seen
    init_ppo(groups_.back().state,
             {seed, purpose::kHyperInit, static_cast<std::uint32_t>(groups_.size())},
             /*output_gain=*/0.1f);
  }
}

HyperDecision ControllerStack::decide(Stream& stream, int group, std::vector<float> state,
                                      const RandomKey& key, std::uint64_t draw, float epsilon) {
  Group& g = groups_[group];
  const int num_heads = static_cast<int>(g.heads.size());
  HyperDecision decision{.state = std::move(state),
                         .options = std::vector<float>(g.heads.size()),
                         .log_probs = std::vector<float>(g.heads.size())};
  const auto act = [&](bool stochastic, std::uint64_t step) {
    ppo_act(stream, g.state,
            {{decision.state.data(), 1, static_cast<int>(decision.state.size())},
             {decision.options.data(), 1, num_heads},
             {decision.log_probs.data(), 1, num_heads},
             config_.value_baseline ? Vector<float>(&decision.value, 1) : Vector<float>(),
             stochastic,
             key,
             step},
            g.workspace);
  };
  // each group has draws of its own
  const std::uint64_t step = draw * groups_.size() + static_cast<std::uint64_t>(group);
  act(/*stochastic=*/true, step);

  const RandomKey explore{key.seed, purpose::kHyperExploration, key.learner};
  if (uniform01(explore.bits(step, 0).x) >= epsilon) return decision;
  const auto chances = probabilities(stream, group, decision.state);
  for (std::size_t h = 0; h < g.heads.size(); ++h) {
    const auto option = uniform_index(explore.bits(step, 1, static_cast<std::uint32_t>(h)).x,
                                      static_cast<std::uint32_t>(num_options(g.heads[h])));
    decision.options[h] = static_cast<float>(option);
    decision.log_probs[h] = static_cast<float>(std::log(chances[h][option]));
  }
  return decision;
}

PpoLosses ControllerStack::learn(Stream& stream, int group,
                                 const std::vector<HyperTrajectory>& episodes, std::uint32_t seed,
                                 int stage) {
  Group& g = groups_[group];
  std::vector<float> states, options, log_probs, advantage, target;
  std::vector<std::vector<float>> sums, differences;  // to come; less the controller's own estimate
  for (const HyperTrajectory& episode : episodes) {
    sums.push_back(advantages(episode.rewards));
    differences.push_back(sums.back());
    for (std::size_t t = 0; config_.value_baseline && t < episode.decisions.size(); ++t)
      differences.back()[t] -= episode.decisions[t].value;
  }
  center(differences, config_.centering);
  for (std::size_t e = 0; e < episodes.size(); ++e) {
    for (std::size_t t = 0; t < episodes[e].decisions.size(); ++t) {
      const HyperDecision& d = episodes[e].decisions[t];
      states.insert(states.end(), d.state.begin(), d.state.end());
      options.insert(options.end(), d.options.begin(), d.options.end());
      log_probs.insert(log_probs.end(), d.log_probs.begin(), d.log_probs.end());
      target.push_back(sums[e][t]);
      advantage.push_back(differences[e][t]);
    }
  }
  const int num_rows = static_cast<int>(advantage.size());
  const int num_updates = config_.updates_per_episode * static_cast<int>(episodes.size());
  if (num_rows == 0 || num_updates == 0) return {};

  const auto on_device = [&](const std::vector<float>& values) {
    Buffer<float> buffer(values.size(), stream.memory(), "decisions");
    from_host(buffer, values);
    return buffer;
  };
  const int S = g.state.shape.observation_size, heads = static_cast<int>(g.heads.size());
  Buffer<float> s = on_device(states), a = on_device(options), p = on_device(log_probs),
                adv = on_device(advantage), y = on_device(target);

  // each update: the first rows of an order of its own
  const int batch = std::min(config_.batch_size, num_rows);
  Buffer<std::uint32_t> order(static_cast<std::size_t>(num_rows), stream.memory());
  Buffer<std::uint32_t> rows(
      static_cast<std::size_t>(num_updates) * static_cast<std::size_t>(batch), stream.memory());
  const RandomKey key{seed, purpose::kHyperBatch, static_cast<std::uint32_t>(group)};
  PermutationScratch scratch;
  for (int u = 0; u < num_updates; ++u) {
    random_permutation(stream, {order.data(), num_rows}, key,
                       static_cast<std::uint64_t>(stage) * 1000000u + static_cast<std::uint64_t>(u),
                       0, scratch);
    copy(stream, rows.data() + static_cast<std::size_t>(u) * static_cast<std::size_t>(batch),
         order.data(), static_cast<std::size_t>(batch));
  }
  stream.synchronize();

  std::vector<PpoLosses> losses(static_cast<std::size_t>(num_updates));
  ppo_update(stream, losses, g.state,
             {.observation = {s.data(), num_rows, S},
              .action = {a.data(), num_rows, heads},
              .log_prob = {p.data(), num_rows, heads},
              .advantage = {adv.data(), num_rows},
              .value_target = {y.data(), num_rows}},
             {rows.data(), num_updates, batch},
             {.clip = config_.clip,
              .entropy_bonus = config_.entropy_bonus,
              .adam = {config_.learning_rate}},
             g.workspace);
  return losses.back();
}

std::vector<std::vector<double>> ControllerStack::probabilities(Stream& stream, int group,
                                                                const std::vector<float>& state) {
  const Group& g = groups_[group];
  stream.synchronize();
  const std::vector<float> parameters = to_host(g.state.policy.value);
  HostMlp policy(g.state.policy_layout, {[](double z) { return std::tanh(z); }, nullptr});
  const std::vector<double>& x = policy.forward(parameters.data(), state);
  std::vector<std::vector<double>> chances;
  std::size_t first = 0;
  for (const std::string& head : g.heads) {
    const auto n = static_cast<std::size_t>(num_options(head));
    double total = 0.0;
    std::vector<double> p(n);
    const double top = *std::max_element(x.begin() + static_cast<std::ptrdiff_t>(first),
                                         x.begin() + static_cast<std::ptrdiff_t>(first + n));
    for (std::size_t i = 0; i < n; ++i) total += p[i] = std::exp(x[first + i] - top);
    for (double& value : p) value /= total;
    chances.push_back(std::move(p));
    first += n;
  }
  return chances;
}

std::vector<TensorRef> ControllerStack::tensors() {
  StateWriter all;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    all.weights(fmt::format("controller{}", i), groups_[i].state.policy);
    if (config_.value_baseline)
      all.weights(fmt::format("controller{}.value", i), groups_[i].state.value);
  }
  return all.weight_tensors;
}

std::string ControllerStack::description() const {
  std::vector<std::string> parts;
  for (const Group& g : groups_) {
    parts.push_back(fmt::format("{} from {} inputs", fmt::join(g.heads, " and "),
                                g.state.shape.observation_size));
  }
  return fmt::format("{}; features {}; hidden layer of {}{}", fmt::join(parts, ", then "),
                     fmt::join(config_.features, " "), config_.hidden_size,
                     config_.value_baseline ? "; with a value network" : "");
}

std::uint32_t ControllerStack::fingerprint() const {
  std::string bytes;
  for (const Group& g : groups_) {
    const std::vector<float> weights = to_host(g.state.policy.value);
    bytes.append(reinterpret_cast<const char*>(weights.data()), weights.size() * sizeof(float));
  }
  return crc32c(bytes);
}

void ControllerStack::save(const std::filesystem::path& file) {
  std::vector<std::string> updates;
  for (const Group& g : groups_) updates.push_back(std::to_string(g.state.num_updates));
  replace_file(file, [&](const std::filesystem::path& unfinished) {
    write_safetensors(
        unfinished, tensors(),
        {{"controller", description()}, {"updates", fmt::format("{}", fmt::join(updates, " "))}});
  });
}

void ControllerStack::load(const std::filesystem::path& file) {
  const SafetensorsFile saved(file);
  const auto found = saved.metadata().find("controller");
  if (found == saved.metadata().end())
    throw DataError(
        fmt::format("{} is not a controller; expected a file written by an autombpo run, such as "
                    "controller/best.safetensors in its run directory.",
                    file.string()));
  if (found->second != description())
    throw DataError(fmt::format(
        "controller {} decides on {}; this config asks for {}. Set controller.heads, "
        "controller.features, controller.stack and controller.hidden_size as it was trained with "
        "(config.json in its run directory).",
        file.string(), found->second, description()));
  for (const TensorRef& tensor : tensors())
    saved.read_into(tensor, SafetensorsFile::Values::kFinite);
  std::size_t at = 0;
  const auto counts = saved.metadata().find("updates");
  const std::string updates = counts == saved.metadata().end() ? "" : counts->second;
  for (Group& g : groups_) {
    const std::size_t first = std::min(updates.find_first_not_of(' ', at), updates.size());
    const auto [end, error] = std::from_chars(updates.data() + first,
                                              updates.data() + updates.size(), g.state.num_updates);
    if (error != std::errc() || g.state.num_updates < 0 || g.state.num_updates > kMaxCount)
      throw DataError(fmt::format(
          "controller {} does not say how many updates it has seen (its metadata \"updates\" is "
          "\"{}\"). Is it damaged? An earlier stage's is beside it.",
          file.string(), printable(updates)));
    at = static_cast<std::size_t>(end - updates.data());
  }
}

}  // namespace mbrl
