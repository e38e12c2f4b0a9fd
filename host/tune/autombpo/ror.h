// "Reinforcement on reinforcement": a small Q-network that learns while the run goes on, and starts
// anew with the next one (Dong et al. 2019, "Intelligent trainer for model-based reinforcement
// learning"). As AutoMBPO's comparison has it, on AutoMBPO's hyper-MDP (Lai et al. 2021, appendix
// E): its states, heads and options.
#pragma once

#include <array>
#include <deque>
#include <string>
#include <vector>

#include "host/tune/autombpo/decider.h"
#include "kernels/networks/host_mlp.h"

namespace mbrl {

/// The paper's trainer: two hidden layers of 8 ELU units, plain gradient descent.
///
/// Its values are discounted means of the rewards, 1 - discount times their discounted sums, which
/// orders the options alike. Sums go up to 100, where steps of this size grow without limit: with
/// them 76 of 80 runs of 400 decisions diverged.
class QNetwork {
 public:
  static constexpr int kWidth = 8;

  QNetwork(int num_inputs, int num_outputs, const RandomKey& init);

  int num_inputs() const { return network_.layout().layers.front().in; }
  std::vector<double> values(const std::vector<float>& input);
  /// One step of gradient descent on half the squared errors of the outputs at `input`: weights -=
  /// rate * sum over outputs of error * d output / d weights.
  void descend(const std::vector<float>& input, const std::vector<double>& errors, double rate);

  std::vector<double>& parameters() { return parameters_; }
  const std::vector<double>& parameters() const { return parameters_; }

 private:
  HostMlp network_;
  std::vector<double> parameters_;
};

class RorDecider : public Decider {
 public:
  RorDecider(const Config& config, RandomKey key);

  int num_groups() const override { return 1; }
  const std::vector<std::string>& heads(int) const override { return heads_; }
  const std::vector<std::string>& visible(int) const override { return heads_; }

  /// Learns from the step that ends here, then chooses: for each head the option of the largest
  /// value, with chance kEpsilon a uniform one. The published description names no exploration; the
  /// chance is ours.
  HyperDecision decide(int group, const std::vector<float>& state, std::uint64_t draw) override;
  /// The step's reward: the sign of the change of the return, 0 where nothing was evaluated.
  void on_evaluation(double mean_return) override;
  nlohmann::json state() const override;
  void set_state(const nlohmann::json& state) override;

 private:
  static constexpr double kRate = 0.1, kDiscount = 0.99;
  static constexpr float kEpsilon = 0.1f;
  static constexpr std::size_t kMemory = 32, kBatch = 8;

  struct Experience {
    std::vector<float> state, options;
    double reward;
    std::vector<float> next_state;
  };
  void learn(std::uint64_t draw);

  std::vector<std::string> heads_;
  RandomKey key_;
  QNetwork network_;
  std::deque<Experience> memory_;
  std::vector<float> last_state_, last_options_;  // of the decision that is being paid
  double reward_ = 0.0;
  double last_return_ = 0.0;
  bool has_return_ = false;
};

}  // namespace mbrl
