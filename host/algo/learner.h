// A learner: one complete training and everything it needs. It shares nothing mutable with others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuda/stream.h"
#include "host/algo/evaluator.h"
#include "host/algo/hooks.h"
#include "host/algo/hyperparameters.h"
#include "host/algo/part.h"
#include "host/algo/parts/environments.h"
#include "host/algo/policy_network.h"
#include "host/config/config.h"
#include "host/config/input_files.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/sac/sac_update.h"

namespace mbrl {

class Measurements;

/// What the rest of the program sees of an algorithm. An algorithm is the parts it is made of,
/// step() and copy_policy().
class Learner {
 public:
  Learner(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index,
          int num_envs = 1);
  virtual ~Learner() = default;
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  /// One real step in every environment with everything due before and after it. False: a stop was
  /// asked for in a long stage, which was undone; the learner stands as before the call.
  virtual bool step() = 0;

  /// As it was made; hyperparameters that changed since are not in it.
  const Config& config() const { return made_with_; }
  /// The files behind the config's keys, as they were when it was made.
  const std::vector<InputFile>& inputs() const { return inputs_; }
  const EnvSpec& env_spec() const { return environments_.spec(); }
  std::int64_t env_steps() const { return context_.clock.env_steps; }
  virtual std::int64_t num_updates() const = 0;
  /// What num_updates() are updates of.
  virtual const char* updated() const { return "policy"; }
  const Environments& environments() const { return environments_; }
  /// What the algorithm learns, where it does; else null.
  virtual const SacState* soft_actor_critic() const { return nullptr; }
  virtual const EnsembleState* model() const { return nullptr; }
  /// The policy apart from all that trains it, as it is now; nothing where there is none.
  virtual std::optional<PolicyNetwork> policy_network() const;
  /// What a controller asks of it, where one may steer it; else null.
  virtual Measurements* measurements() { return nullptr; }
  /// Where episodes of the training itself are what is evaluated: those not taken yet; else null,
  /// and a copy of the policy is.
  virtual Trials* trials() { return nullptr; }

  /// Steps after exploration; epochs are counted in these.
  std::int64_t train_steps() const { return context_.clock.train_steps(); }
  int epoch() const { return context_.epoch(); }
  bool exploring() const { return context_.clock.exploring; }

  /// The values that may change between two steps, bound to this learner.
  std::vector<Hyperparameter> hyperparameters();

  /// Runs `num_episodes` episodes of the deterministic policy in environments of their own, all at
  /// once.
  Evaluation evaluate(int num_episodes);

  /// The same in two halves. The policy is copied now; what is returned runs the episodes, in any
  /// one thread and beside steps of the learner, on the host threads of `pool`. To be run before
  /// the next evaluation begins, and before the learner ends.
  std::function<Evaluation()> begin_evaluation(int num_episodes, ThreadPool& pool);

  /// What an evaluation acts with, apart from it: for `num_rows` observations at once, on `stream`.
  /// Renew it before its first action.
  std::unique_ptr<PolicyCopy> make_policy_copy(Stream& stream, int num_rows) {
    return copy_policy(stream, num_rows);
  }

  /// Means since the last call, in the order of metric_names(); then starts anew.
  const std::vector<std::string>& metric_names() const { return context_.metrics.names(); }
  std::vector<double> take_metrics() { return context_.metrics.take(); }
  /// The same since the last call of this one, apart from those.
  std::vector<double> take_recent_metrics() { return context_.metrics.take_recent(); }

  /// Everything it keeps between steps: its parts', hyperparameters that changed, and what an
  /// algorithm adds.
  virtual void visit(Archive& archive);

 protected:
  /// A copy of the policy for `num_rows` observations at once, which acts on `stream`.
  virtual std::unique_ptr<PolicyCopy> copy_policy(Stream& stream, int num_rows) = 0;

 private:
  const Config made_with_;
  const std::vector<InputFile> inputs_;
  std::unique_ptr<Evaluator> evaluator_;

 protected:
  Context context_;
  Environments environments_;
};

/// Declares the column num_updates, where it stands among an algorithm's members.
struct UpdateCount {
  UpdateCount(Context& context, const Learner& learner) {
    context.metrics.declare("num_updates",
                            [&learner] { return static_cast<double>(learner.num_updates()); });
  }
};

}  // namespace mbrl
