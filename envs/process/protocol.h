// What the program and a process that serves an environment say to each other. The page for those
// who write a server is docs/process_environments.md.
//
// All numbers are little-endian. The process reads requests from descriptor 3 and writes one reply
// to each to descriptor 4. A reply repeats its request's sequence number.
#pragma once

#include <bit>
#include <cstdint>

namespace mbrl::protocol {

static_assert(std::endian::native == std::endian::little, "messages are written as they lie");

inline constexpr std::uint32_t kMagic = 0x6c72626d;  // "mbrl"
inline constexpr std::uint32_t kVersion = 1;

enum Op : std::uint32_t { kOpen = 1, kReset = 2, kStep = 3, kEnds = 4 };

struct Request {
  std::uint32_t op;
  std::uint32_t bytes;  // that follow
  std::uint64_t sequence;
};

struct Reply {
  std::uint32_t status;  // 0; else what follows is a text that says what is wrong
  std::uint32_t bytes;
  std::uint64_t sequence;
};

// kOpen: make this many environments, in place of those there were
struct Open {
  std::uint32_t magic, version, num_envs, zero;
};

// its reply; then float low[A], high[A], and text_bytes of UTF-8: the environment's name on the
// first line and, if there are more lines, the name of each entry of the observation
struct Greeting {
  std::uint32_t magic, version;  // at this place in every version
  std::uint32_t observation_size, action_size, num_envs;
  std::uint32_t flags;              // kServesEnds
  std::uint32_t max_episode_steps;  // 0: it has no time limit
  std::uint32_t text_bytes;
};
inline constexpr std::uint32_t kServesEnds = 1;

// kReset: uint8 which[N], padded with zeros to a multiple of 8, uint64 seed[N]
//   reply: float observation[N][S]; rows that were not asked for do not count
// kStep: uint8 which[N], padded, float action[N][A] within the bounds of the greeting
//   reply: float observation[N][S], float reward[N], uint8 flags[N]
// kEnds: uint32 rows, uint32 zero, float observation[rows][S]
//   reply: uint8 ends[rows]
inline constexpr std::uint8_t kTerminated = 1, kTruncated = 2;

inline constexpr std::uint32_t padded(std::uint32_t bytes) { return (bytes + 7) / 8 * 8; }

}  // namespace mbrl::protocol
