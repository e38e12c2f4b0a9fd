// What rank 0 has other ranks do: train a member of a population as far as it is told.
//
//   rank 0, a thread for each slot of a rank --> order --> serve(): make_member, run --> reply
//
// Orders and replies are CBOR. Configs, controllers and what steers a run travel in the order. A rank
// that sees the run's folder trains in it; to one that does not, or may see an old state of it, the
// files go as messages, and come back with the reply (rank_folder.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/config/config.h"
#include "host/io/progress.h"
#include "host/tune/ranks.h"

namespace mbrl {

class Member;

/// The folder of the run that an order is about, and what its files say of it.
struct RankRun {
  std::filesystem::path folder;
  Config config;
  std::vector<std::string> command;
  /// Whether to train in a folder that another machine's rank sees. Others may have changed it since
  /// that machine looked: then its files always go as messages.
  bool in_place_elsewhere = true;
};

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
  ///          not answer within two minutes of a stop, or has ended; BusyError if the folder is to
  ///          travel and another process works in it.
  nlohmann::json call(nlohmann::json order, const RankRun& run, ProgressSink& progress);

 private:
  nlohmann::json await_reply(const RankRun& run, ProgressSink& progress);

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
