// How long a run will still take, by what its stages have cost so far.
#pragma once

#include <cstdint>
#include <string_view>

#include "host/config/config.h"

namespace mbrl {

/// Work that comes with every step costs the same from step to step; a fit costs in proportion to
/// the rows it is made on, the first ones of a run by more than that; evaluations and checkpoints
/// cost what the last ones did. What was measured long ago counts for less, as schedules change what
/// a step does.
class TimeLeft {
 public:
  explicit TimeLeft(const Config& config);

  /// A stage took `seconds` and ended at `env_steps`; stages that are run again at one step add up.
  void add(std::string_view stage, double seconds, std::int64_t env_steps);

  /// The run stands at `env_steps`; call it after every step.
  void at(std::int64_t env_steps, bool exploring);

  /// Seconds to the end of the run; NaN before anything tells.
  double seconds() const;

 private:
  /// Costs per unit of work, of which the last are weighed most.
  struct Price {
    double seconds = 0.0, units = 0.0;
    void add(double more_seconds, double more_units, double keep) {
      seconds = seconds * keep + more_seconds;
      units = units * keep + more_units;
    }
    bool known() const { return units > 0.0; }
    double each() const { return seconds / units; }
  };

  double times_left(double interval, double last) const;
  double fit_rows_left() const;

  const double end_, fit_interval_, eval_interval_, checkpoint_interval_, capacity_, exploration_;
  const int max_epochs_;
  double now_ = -1.0;
  bool exploring_ = false;
  double since_step_ = 0.0;  // seconds of work that came with the present step
  Price step_, fit_, evaluation_, checkpoint_;
  double num_fits_ = 0.0, first_fit_ = 0.0, last_fit_ = 0.0;
  double last_evaluation_ = 0.0, last_checkpoint_ = 0.0;
};

}  // namespace mbrl
