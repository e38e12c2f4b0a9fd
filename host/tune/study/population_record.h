// What the members of a population have been through: a tree of slices.
//
//   slice 0 --> slice 3 --> ...        member 0
//   slice 1 --> slice 4 --> ...        member 1
//         `---> slice 5 --> ...        member 2, which became a copy of member 1 after slice 2
//
// A slice is what one member trains between two exchanges. It begins from the state that its parent
// has ended with, so that a member's ancestors are the training it stands for.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "host/config/search_space.h"
#include "host/tune/schedule_file.h"
#include "host/tune/study/sampling.h"

namespace mbrl {

/// Evaluations: env step and mean return.
using Returns = std::vector<std::pair<std::int64_t, double>>;

/// How many of the last evaluations a score is the mean of.
inline constexpr std::size_t kScoredEvaluations = 3;

/// Of a member that has diverged.
inline constexpr double kDead = -std::numeric_limits<double>::infinity();

struct Slice {
  int member = 0;
  int parent = -1;  // the slice it goes on from; -1: a fresh learner
  std::int64_t begin = 0, end = 0;
  TrialValues values = {};  // in force in it
  Returns returns = {};     // of the evaluations in it
  std::string error = {};   // of one that diverged
  double score = kDead;     // mean of the last evaluations up to its end, its ancestors' among them
  int number = 0;           // of the member's own, from 0
  int source = -1;          // the slice whose state or values it took over; -1: none
};

/// What a member does next.
struct Seat {
  int parent = -1;
  std::int64_t begin = 0;
  TrialValues values = {};
  int num_slices = 0;    // that it has ended
  bool is_copy = false;  // the parent is another's slice, or an earlier one of its own
  bool over = false;     // there is nothing left for it to do
  int source = -1;       // the slice whose state or values it has just taken over; -1: none
};

/// A member that has come to the end of a slice.
struct SliceResult {
  int member = 0;
  std::int64_t end = 0;
  Returns returns = {};
  std::string error = {};
};

/// A member that takes over the state that slice `from` ended with, and goes on with other values.
struct Exchange {
  int member = 0;
  int from = -1;
  TrialValues values = {};
  std::int64_t signs = -1;  // of a change that is not to be made twice (exchange.h); -1: none
};

class PopulationRecord {
 public:
  /// `first`: the values each member begins with. `num_steps`: of a whole training.
  /// `copies_state`: whether an exchange brings a state along, or values alone.
  PopulationRecord(const SearchSpace& space, const std::vector<TrialValues>& first,
                   std::int64_t num_steps, bool copies_state);

  int size() const { return static_cast<int>(seats_.size()); }
  const Seat& seat(int member) const { return seats_.at(static_cast<std::size_t>(member)); }
  const std::vector<Slice>& slices() const { return slices_; }
  const Slice& slice(int id) const { return slices_.at(static_cast<std::size_t>(id)); }
  /// The last slice that a member has ended; -1 before the first.
  int last_slice(int member) const { return last_.at(static_cast<std::size_t>(member)); }

  /// Members end slices, each of which gets a score. One at the end of its training, or that has
  /// diverged, is over.
  ///
  /// Returns  the slices.
  std::vector<int> end(const std::vector<SliceResult>& results);
  /// A member becomes a copy, and is no longer over if the copied one is not.
  void exchange(const Exchange& exchange);
  /// Changes that copies of a slice have been given.
  const std::set<std::int64_t>& used_signs(int id) const {
    return used_signs_.at(static_cast<std::size_t>(id));
  }
  /// A slice and those before it, oldest first.
  std::vector<int> path(int id) const;
  /// Its values over time: a point for each moment from which others are in force.
  std::vector<SchedulePoint> schedule(int id) const;
  /// The member's own slices in the order it trained them.
  std::vector<int> own(int member) const;
  /// What a member went through, as the attributes of its trial: schedule, lineage, returns.
  nlohmann::ordered_json attributes(int member, const std::vector<std::size_t>& trials) const;

  /// One line of the journal for slices that ended together and what followed.
  nlohmann::ordered_json to_json(const std::vector<SliceResult>& results,
                                 const std::vector<Exchange>& exchanges) const;
  /// And back: takes over what such a line says.
  ///
  /// Errors   ValueError; those of the JSON library.
  void replay(const nlohmann::ordered_json& line);

  /// Where to go on with a member that is being run: what is in force in its next slice.
  std::vector<SchedulePoint> next_schedule(int member) const;

 private:
  double score_of(const Slice& slice) const;
  TrialValues values_from(const nlohmann::ordered_json& json) const;
  void add_point(std::vector<SchedulePoint>& points, std::int64_t at,
                 const TrialValues& values) const;

  const SearchSpace& space_;
  std::int64_t num_steps_;
  bool copies_state_;
  std::vector<Seat> seats_;
  std::vector<int> last_;
  std::vector<Slice> slices_;
  std::vector<std::set<std::int64_t>> used_signs_;  // by slice
};

/// The last slice of the member that has earned most with it, of those at the end of their training if
/// there are such; -1 if none has been evaluated.
int best_slice(const PopulationRecord& record, std::int64_t num_steps);

/// How many members a mean of the best is over.
inline constexpr int kTopAverage = 5;

/// At every moment the mean over the `count` members with the best scores of slices that began then:
/// whole numbers rounded, of choices the most frequent.
std::vector<SchedulePoint> top_average(const PopulationRecord& record, const SearchSpace& space,
                                       int count);

/// The mean of values of one dimension, to four digits, beyond its ends where they are; whole numbers
/// rounded, within them; of choices the most frequent, of
/// equally frequent ones the first.
nlohmann::ordered_json mean_value(const SearchDimension& dimension,
                                  const std::vector<nlohmann::ordered_json>& values);

}  // namespace mbrl
