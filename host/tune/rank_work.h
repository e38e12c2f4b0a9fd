// What rank 0 has other ranks do: train a member of a population as far as it is told.
//
//   rank 0, a thread for each slot of a rank --> order --> serve(): make_member, run --> reply
//
// Orders and replies are CBOR. A run's folder is on a file system that all ranks see; configs,
// controllers and what steers a run travel in the order.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "host/io/progress.h"
#include "host/tune/ranks.h"

namespace mbrl {

class Member;

/// One of the members that another rank trains at a time.
class RankSlot {
 public:
  /// `num_slots` share the rank's threads and its device.
  RankSlot(Ranks& ranks, int rank, int slot, int num_slots, std::string device)
      : ranks_(ranks),
        rank_(rank),
        slot_(slot),
        num_slots_(num_slots),
        device_(std::move(device)) {}

  /// Sends an order and waits for what comes back. After a stop signal the other rank hears of it.
  ///
  /// Errors   what ended the work there, as an error of the same kind; DeviceError if the rank does
  ///          not answer within two minutes of a stop.
  nlohmann::json call(nlohmann::json order, ProgressSink& progress);

 private:
  Ranks& ranks_;
  int rank_, slot_, num_slots_;
  std::string device_;
};

/// What rank 0 says of `num_members` that are to be trained where there are ranks: how many ranks
/// there are, and which have nothing to do. One line, or "" without ranks.
std::string idle_ranks_text(std::size_t num_members);

/// What ranks other than 0 do until rank 0 ends: kDone.
ExitCode serve(Ranks& ranks);

}  // namespace mbrl
