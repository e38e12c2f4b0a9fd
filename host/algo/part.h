// What the parts of a learner share, and what a part is.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/stream.h"
#include "host/algo/hooks.h"
#include "host/algo/hyperparameters.h"
#include "host/algo/metrics.h"
#include "host/config/config.h"
#include "host/io/archive.h"
#include "profiling/nvtx.h"

namespace mbrl {

class Part;

/// Where a run stands.
struct RunClock {
  std::int64_t env_steps = 0;
  bool exploring = false;
  std::int64_t exploration_end = 0;

  /// Steps after exploration; epochs are counted in these.
  std::int64_t train_steps() const { return exploring ? 0 : env_steps - exploration_end; }
};

/// One learner's surroundings. Its parts read the config at the time of use: hyperparameters change
/// it while the learner runs.
struct Context {
  Config config;  // the learner's own copy
  Stream& stream;
  Hooks hooks;
  std::uint32_t learner;  // index among the learners of one seed: part of every random draw
  RunClock clock = {};
  Metrics metrics = {};
  std::vector<Part*> parts = {};  // in the order of their construction

  std::uint32_t seed() const { return static_cast<std::uint32_t>(config.seed); }
  int epoch() const { return static_cast<int>(clock.train_steps() / config.loop.epoch_length); }
};

/// Something that learners are made of. It names what it keeps between steps in visit(), and what
/// may change in hyperparameters(). It measures under names that its constructor declares.
class Part {
 public:
  explicit Part(Context& context) : context_(context) { context.parts.push_back(this); }
  virtual ~Part() = default;
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  virtual void visit(Archive&) {}
  /// Adds those of its own, or replaces keys of the config by name.
  virtual void hyperparameters(std::vector<Hyperparameter>&) {}

 protected:
  Context& context_;
};

/// The time to the end of the scope belongs to a stage: for the hooks and for profilers.
class StageScope {
 public:
  StageScope(const Context& context, const char* stage) : range_(stage, context.clock.env_steps) {
    context.hooks.on_stage(stage);
  }

 private:
  StageRange range_;
};

}  // namespace mbrl
