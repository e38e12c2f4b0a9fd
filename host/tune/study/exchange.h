// What members of a population learn from each other: who copies whom, and what becomes of the values.
//
//   pbt      those far behind copy one of the best (Jaderberg et al. 2017, arXiv:1711.09846), with the
//            counts and changes of Zhang et al. 2021, arXiv:2102.13651
//   pbt_bt   the same, and members that have fallen far below the best go back to one of those (ibid.)
//   mf_pbt   sub-populations that evolve at different frequencies (arXiv:2506.03225)
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "host/config/config.h"
#include "host/tune/study/population_record.h"
#include "host/tune/study/sampling.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kExchange{31};  // sources and changed values in a population
}

/// Of n members that are compared: how many stay as they are, how many may be copied. 40 of which a
/// fifth copies: 32 and 8.
struct Truncation {
  int stay, sources;
  bool operator==(const Truncation&) const = default;
};
Truncation truncation(int n, double share);

/// How a copied value is changed.
struct ChangeRule {
  bool in_unit = true;          // of its place between the ends of its range; else of the value
  double down = 0.8, up = 1.2;  // factors
  bool within_space = true;     // else numbers may leave the space, as far as the key takes them
  double resample = 0.25;       // chance that all values are drawn anew instead
};

/// A value of one dimension after a step up or down. A range's place is multiplied in the unit
/// interval (in the logarithm where the range has that), or the value itself, whole numbers by one at
/// least; a choice moves to its neighbor. The result lies in the range.
nlohmann::ordered_json changed_value(const SearchDimension& dimension,
                                     const nlohmann::ordered_json& value, bool up,
                                     const ChangeRule& rule);

/// Draws of one exchange of a member.
struct ExchangeDraws {
  RandomKey key;
  std::uint64_t number;  // of the slice that it follows, among the member's own
};

/// The values of a copy. A coin for each of them decides between up and down. Values that do not go
/// together are drawn again; after ten tries they stay as they are.
TrialValues changed_values(const SearchSpace& space, const TrialValues& values,
                           const ChangeRule& rule, const ExchangeDraws& draws,
                           const std::function<bool(const TrialValues&)>& go_together);

/// Values, and the signs that led to them: bit i is set where the i-th went up. -1: they have none.
struct SignedChange {
  TrialValues values;
  std::int64_t signs = -1;
};

/// The same, try by try with the next of these signs in place of coins; once there are no more of them
/// all values are drawn anew. Also where `rule` draws all anew the try's signs are those of the change.
SignedChange signed_change(const SearchSpace& space, const TrialValues& values,
                           const ChangeRule& rule, const ExchangeDraws& draws,
                           const std::function<bool(const TrialValues&)>& go_together,
                           const std::vector<std::int64_t>& signs);

/// What is known when members have ended slices.
struct ExchangeContext {
  const Config& config;  // its sections tune and pbt
  const PopulationRecord& record;
  std::int64_t num_steps;  // of a whole training
  std::function<bool(const TrialValues&)> go_together;
};

/// What the members of slices that have just ended do next; those that are not named go on with what
/// they have. A member that has diverged always copies another, if one is left.
///
/// Cost   a pass over all slices.
std::vector<Exchange> exchanges(const ExchangeContext& context, const std::vector<int>& ended);

/// The slices that pbt_bt may send members back to, the best first: of each member its best one before
/// the end of the training, of these a share of the number of members, at least one.
std::vector<int> elites(const PopulationRecord& record, double share, std::int64_t num_steps);

}  // namespace mbrl
