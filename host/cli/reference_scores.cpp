#include "host/cli/reference_scores.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/csv.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace {

// Means of episodes under uniform random actions, of the originals (tests/golden/README.md) or, of
// the closed forms, ours.
constexpr const char* kUniform = "uniform random actions";
// SAC-SVG(H) on the same truncated tasks, 10 seeds, mean best return (facebookresearch/svg)
constexpr const char* kSvg = "SAC-SVG(H), Amos et al. 2021, arXiv:2008.12775";
// the last value of the curves that AutoMBPO's authors publish for default MBPO
// (hanglai/autombpo:baselines), on their robots
constexpr const char* kMbpo = "default MBPO as in Lai et al. 2021, arXiv:2111.08550";
constexpr const char* kZoo = "SAC of rl-baselines3-zoo, benchmark.md";
constexpr const char* kThreshold = "Gymnasium's reward threshold";
constexpr const char* kMost = "the largest return there is";
constexpr const char* kPets = "PETS, about; Chua et al. 2018, arXiv:1805.12114";
constexpr const char* kStands = "standing for a whole episode";
// the stand-in's original has no comparable returns
constexpr const char* kGait = "a tripod gait written by hand";

std::optional<double> number_in(const std::string& text) {
  double value = 0.0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

const std::vector<ReferenceScores>& published_scores() {
  static const std::vector<ReferenceScores> kTable = {
      {"ant", -63.2, 8289, kUniform, kSvg},
      {"cartpole", 27.9, 200, kUniform, kMost},
      {"cartpole_swingup", -4.0, 200, kUniform, kMost},
      {"daisy", 0, 450, kUniform, kGait},
      {"halfcheetah", -277.2, 14571, kUniform, kSvg},
      {"halfcheetah18", -273, 15000, kUniform, kPets},
      {"halfcheetah_bullet", -12.2, 1490, kUniform, kMbpo},
      {"hopper", 17.71, 3917, kUniform, kSvg},
      {"hopper12", -67, 1000, kUniform, kStands},
      {"hopper_bullet", 3.54, 2324, kUniform, kMbpo},
      {"humanoid", 117.7, 9626, kUniform, kSvg},
      {"inverted_double_pendulum", 57.32, 9100, kUniform, kThreshold},
      {"inverted_pendulum", 6.06, 1000, kUniform, kMost},
      {"pendulum", -1217, -157, kUniform, kZoo},
      {"pusher", -290, -60, kUniform, kPets},
      {"reacher", -42.88, -3.75, kUniform, kThreshold},
      {"reacher3d", -1512, -50, kUniform, kPets},
      {"swimmer", 1.84, 345.6, kUniform, kZoo},
      {"walker2d", 2.79, 6029, kUniform, kSvg},
      {"walker2d_bullet", 1.35, 1050, kUniform, kMbpo},
  };
  return kTable;
}

std::vector<ReferenceScores> read_scores(const std::filesystem::path& file) {
  std::vector<ReferenceScores> scores;
  const std::string source = printable(file.filename().string());
  std::istringstream lines(read_file(file, std::uint64_t{1} << 20));
  int number = 0;
  bool heading = true;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    std::istringstream fields(line);
    std::string task, zero, one, more;
    std::getline(fields, task, ',');
    std::getline(fields, zero, ',');
    std::getline(fields, one, ',');
    std::getline(fields, more);
    const std::optional<double> at_zero = number_in(zero), at_one = number_in(one);
    if (!std::exchange(heading, false) || (at_zero && at_one)) {
      if (task.empty() || !at_zero || !at_one || !more.empty() || *at_zero == *at_one)
        throw DataError(fmt::format(
            "{}, line {}: \"{}\" gives no task two scores; expected task,zero,one with two "
            "different numbers, as in hopper,18,3500.",
            printable(file.string()), number, printable(line)));
      scores.push_back({printable(task), *at_zero, *at_one, source, source});
    }
  }
  if (scores.empty())
    throw DataError(
        fmt::format("{} holds no scores; expected lines task,zero,one, as in "
                    "hopper,18,3500.",
                    printable(file.string())));
  return scores;
}

std::optional<ReferenceScores> find_scores(const std::vector<ReferenceScores>& all,
                                           const std::string& task) {
  for (const ReferenceScores& scores : all)
    if (scores.task == task) return scores;
  return std::nullopt;
}

}  // namespace mbrl
