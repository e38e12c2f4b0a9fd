#include "host/tune/autombpo/ror.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/io/json_file.h"
#include "host/tune/autombpo/controller.h"
#include "kernels/networks/initialize.h"

namespace mbrl {
namespace {

constexpr HostActivation kElu{[](double z) { return z > 0.0 ? z : std::expm1(z); },
                              [](double y) { return y > 0.0 ? 1.0 : y + 1.0; }};

std::vector<std::string> all_heads(const Config& config) {
  ControllerConfig joint = config.controller;
  joint.stack = "joint";
  return controller_groups(joint).front();
}

int num_outputs(const std::vector<std::string>& heads) {
  int sum = 0;
  for (const std::string& head : heads) sum += num_options(head);
  return sum;
}

}  // namespace

QNetwork::QNetwork(int num_inputs, int num_outputs, const RandomKey& init)
    : network_(make_mlp_layout({num_inputs, kWidth, kWidth, num_outputs}, /*pad=*/1), kElu),
      parameters_(network_.layout().size, 0.0) {
  for (const LayerLayout& l : network_.layout().layers) {
    const double limit = std::sqrt(6.0 / (l.in + l.out));  // Glorot
    for (std::size_t i = l.weight; i < l.bias; ++i)
      parameters_[i] =
          limit * (2.0 * uniform01(init.bits(0, static_cast<std::uint32_t>(i)).x) - 1.0);
  }
}

std::vector<double> QNetwork::values(const std::vector<float>& input) {
  return network_.forward(parameters_.data(), input);
}

void QNetwork::descend(const std::vector<float>& input, const std::vector<double>& errors,
                       double rate) {
  network_.forward(parameters_.data(), input);
  network_.backward(parameters_.data(), errors,
                    [&](std::size_t at, double dy, double x) { parameters_[at] -= rate * dy * x; });
}

RorDecider::RorDecider(const Config& config, RandomKey key)
    : heads_(all_heads(config)),
      key_(key),
      network_(hyper_state_size(heads_, config), num_outputs(heads_),
               {key.seed, purpose::kHyperInit, key.learner}) {}

HyperDecision RorDecider::decide(int, const std::vector<float>& state, std::uint64_t draw) {
  if (!last_state_.empty()) {
    memory_.push_back({last_state_, last_options_, reward_, state});
    if (memory_.size() > kMemory) memory_.pop_front();
    learn(draw);
  }
  const RandomKey explore{key_.seed, purpose::kHyperExploration, key_.learner};
  const std::vector<double> q = network_.values(state);
  HyperDecision decision{.state = state, .options = {}, .log_probs = {}};
  std::size_t first = 0;
  for (std::size_t h = 0; h < heads_.size(); ++h) {
    const int n = num_options(heads_[h]);
    const Philox4 bits = explore.bits(draw, static_cast<std::uint32_t>(h));
    const auto begin = q.begin() + static_cast<std::ptrdiff_t>(first);
    const auto greedy = std::max_element(begin, begin + n) - begin;
    const bool random = uniform01(bits.x) < kEpsilon;
    const auto option =
        random ? static_cast<std::ptrdiff_t>(uniform_index(bits.y, static_cast<std::uint32_t>(n)))
               : greedy;
    decision.options.push_back(static_cast<float>(option));
    const double chance = (option == greedy ? 1.0 - kEpsilon : 0.0) + kEpsilon / n;
    decision.log_probs.push_back(static_cast<float>(std::log(chance)));
    first += static_cast<std::size_t>(n);
  }
  last_state_ = state;
  last_options_ = decision.options;
  reward_ = 0.0;
  return decision;
}

// one pass over a few remembered steps: Q-learning, head by head, of the mean error of the heads
void RorDecider::learn(std::uint64_t draw) {
  const RandomKey batch{key_.seed, purpose::kHyperBatch, key_.learner};
  for (std::size_t i = 0; i < std::min(kBatch, memory_.size()); ++i) {
    const Experience& e = memory_[uniform_index(batch.bits(draw, static_cast<std::uint32_t>(i)).x,
                                                static_cast<std::uint32_t>(memory_.size()))];
    const std::vector<double> now = network_.values(e.state), next = network_.values(e.next_state);
    std::vector<double> errors(now.size(), 0.0);
    std::size_t first = 0;
    for (std::size_t h = 0; h < heads_.size(); ++h) {
      const auto n = static_cast<std::ptrdiff_t>(num_options(heads_[h]));
      const auto begin = next.begin() + static_cast<std::ptrdiff_t>(first);
      const std::size_t chosen = first + static_cast<std::size_t>(e.options[h]);
      const double target =
          (1.0 - kDiscount) * e.reward + kDiscount * *std::max_element(begin, begin + n);
      errors[chosen] = (now[chosen] - target) / static_cast<double>(heads_.size());
      first += static_cast<std::size_t>(n);
    }
    network_.descend(e.state, errors, kRate / static_cast<double>(kBatch));
  }
}

void RorDecider::on_evaluation(double mean_return) {
  if (has_return_)
    reward_ = mean_return > last_return_ ? 1.0 : mean_return < last_return_ ? -1.0 : 0.0;
  last_return_ = mean_return;
  has_return_ = true;
}

nlohmann::json RorDecider::state() const {
  nlohmann::json memory = nlohmann::json::array();
  for (const Experience& e : memory_)
    memory.push_back({e.state, e.options, e.reward, e.next_state});
  return {{"parameters", network_.parameters()},
          {"memory", memory},
          {"last_state", last_state_},
          {"last_options", last_options_},
          {"reward", reward_},
          {"last_return", last_return_},
          {"has_return", has_return_}};
}

void RorDecider::set_state(const nlohmann::json& s) {
  const auto state = [&](const nlohmann::json& json, const char* name) {
    return json_numbers<float>(json, name, static_cast<std::size_t>(network_.num_inputs()));
  };
  network_.parameters() =
      json_numbers<double>(s.at("parameters"), "parameters", network_.parameters().size());
  memory_.clear();
  if (s.at("memory").size() > kMemory)
    throw ValueError(
        fmt::format("memory holds {} steps; expected at most {}.", s.at("memory").size(), kMemory));
  for (const nlohmann::json& e : s.at("memory"))
    memory_.push_back({state(e.at(0), "a state in memory"),
                       options_from_json(e.at(1), "a choice in memory", heads_),
                       json_number<double>(e.at(2), "a reward in memory"),
                       state(e.at(3), "a state in memory")});
  // none before the first decision
  last_state_.clear();
  last_options_.clear();
  if (const nlohmann::json& last = s.at("last_state"); !last.is_array() || !last.empty()) {
    last_state_ = state(last, "last_state");
    last_options_ = options_from_json(s.at("last_options"), "last_options", heads_);
  }
  reward_ = json_number<double>(s.at("reward"), "reward");
  last_return_ = json_number<double>(s.at("last_return"), "last_return");
  has_return_ = s.at("has_return").get<bool>();
}

}  // namespace mbrl
