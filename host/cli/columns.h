// What the columns of a run's tables mean to a reader of figures, and what values they can take.
#pragma once

#include <limits>
#include <string>

#include "host/cli/run_groups.h"

namespace mbrl {

struct ColumnInfo {
  std::string label;  // the name of an axis, with its unit
  // what the column can be, whatever a run does
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

/// Of a column of runs in an environment ("" where that is not known). A column that is not known
/// has its own name, and may be anything. Returns have the bounds that the environment's rewards
/// give them: 0 to the time limit for inverted_pendulum and cartpole, at most 0 for pendulum,
/// reacher and pusher, none for what may run as fast as it can. num_episodes: of an evaluation, and
/// max_episode_steps; 0 where they are not known, the environment's own limit then.
ColumnInfo column_info(const std::string& column, const std::string& environment,
                       int num_episodes = 0, int max_episode_steps = 0);

/// That of the runs of some groups: what is theirs alone counts where they agree in it.
ColumnInfo column_info(const std::string& column, const std::vector<const RunGroup*>& groups);

}  // namespace mbrl
