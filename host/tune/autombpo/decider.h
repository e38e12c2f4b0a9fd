// Who chooses the options of the hyper-MDP's heads.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/tune/autombpo/controller.h"

namespace mbrl {

/// Decides in groups, one after the other; belongs to one run.
class Decider {
 public:
  virtual ~Decider() = default;

  virtual int num_groups() const = 0;
  virtual const std::vector<std::string>& heads(int group) const = 0;
  /// Heads whose values the group's state holds.
  virtual const std::vector<std::string>& visible(int group) const = 0;
  /// The `draw`-th decision of the run.
  virtual HyperDecision decide(int group, const std::vector<float>& state, std::uint64_t draw) = 0;
  /// An evaluation, after the decisions before it; one comes before the first decision. Nothing to
  /// learn within a run for most.
  virtual void on_evaluation(double /*mean_return*/) {}
  virtual nlohmann::json state() const { return nullptr; }
  virtual void set_state(const nlohmann::json&) {}
};

/// A trained controller, or one that is being trained between runs.
class ControllerDecider : public Decider {
 public:
  /// `exploring_group` takes a uniform choice with chance epsilon; -1: none does.
  ControllerDecider(Stream& stream, std::shared_ptr<ControllerStack> controller, RandomKey key,
                    int exploring_group = -1, float epsilon = 0.0f)
      : stream_(stream),
        controller_(std::move(controller)),
        key_(key),
        exploring_group_(exploring_group),
        epsilon_(epsilon) {}

  int num_groups() const override { return controller_->size(); }
  const std::vector<std::string>& heads(int group) const override {
    return controller_->heads(group);
  }
  const std::vector<std::string>& visible(int group) const override {
    return controller_->visible(group);
  }
  /// Which controller it is: a run goes on with the one it began with.
  nlohmann::json state() const override { return controller_->fingerprint(); }
  void set_state(const nlohmann::json& state) override {
    if (state != controller_->fingerprint())
      throw DataError(
          "the controller's file is not the one that this run began with: its weights differ. Give "
          "that one with controller.file, or start the run over with --resume never.");
  }
  HyperDecision decide(int group, const std::vector<float>& state, std::uint64_t draw) override {
    return controller_->decide(stream_, group, state, key_, draw,
                               group == exploring_group_ ? epsilon_ : 0.0f);
  }

 private:
  Stream& stream_;
  std::shared_ptr<ControllerStack> controller_;
  RandomKey key_;
  int exploring_group_;
  float epsilon_;
};

}  // namespace mbrl
