// A server of the protocol (docs/process_environments.md) that fails as it is told to.
//
//   faulty_server MODE [AT [MARKER]]
//
// The fault happens at message AT of its kind, counted from 1, in every process; with a MARKER only in
// the first one, which makes that file. An observation is (seed % 1000, steps of the episode), the
// reward of a step is the action as it arrived, and an episode is over after 1000 steps. An
// environment that is stepped before its first reset ends the process. Modes without a fault:
//   ends_at_step   step AT ends each episode
//   large          an observation has 9998 zeros more
//   cores          a reward is the number of cores that the process may use; cores_with_thread,
//                  cores_with_child: the same of one that has a second thread, or a child
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "envs/process/protocol.h"

namespace {

using namespace mbrl::protocol;

struct Environment {
  float seed = -1, steps = 0;  // -1: before its first reset
};

std::string mode;
int fault_at = 1;
std::string marker;
std::vector<Environment> environments;
std::size_t num_zeros = 0;  // after the two entries

void read_fully(void* data, std::size_t bytes) {
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t count = read(3, static_cast<char*>(data) + done, bytes - done);
    if (count <= 0) std::exit(0);
    done += static_cast<std::size_t>(count);
  }
}

void write_fully(const void* data, std::size_t bytes) {
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t count = write(4, static_cast<const char*>(data) + done, bytes - done);
    if (count <= 0) std::exit(0);
    done += static_cast<std::size_t>(count);
  }
}

/// Makes a file; false if it is there already.
bool make(const std::string& path) {
  const int file = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file >= 0) close(file);
  return file >= 0;
}

/// Whether the fault of this mode is due at a message of its kind.
bool is_due(const char* what) {
  static int count = 0;
  if (mode != what || ++count != fault_at) return false;
  return marker.empty() || make(marker);
}

/// Whether another greeting than the first one is due: in every process but the first, or, where AT
/// is 0, as soon as the file MARKER is there.
bool is_changed(const char* what) {
  if (mode != what) return false;
  return fault_at == 0 ? access(marker.c_str(), F_OK) == 0 : !is_due(what);
}

template <typename T>
void put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string observations() {
  std::string out;
  for (const Environment& environment : environments) {
    put(out, environment);
    out.append(num_zeros * sizeof(float), '\0');
  }
  return out;
}

float num_cores() {
  cpu_set_t cores;
  sched_getaffinity(0, sizeof(cores), &cores);
  return static_cast<float>(CPU_COUNT(&cores));
}

std::string greeting() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::string text = "faulty\nseed\nsteps";
  Greeting head{.magic = kMagic,
                .version = kVersion,
                .observation_size = 2,
                .action_size = 1,
                .num_envs = static_cast<std::uint32_t>(environments.size()),
                .flags = kServesEnds,
                .max_episode_steps = 1000,
                .text_bytes = 0};
  float low = -3, high = 1;
  if (is_due("magic")) head.magic = 1;
  if (is_due("version")) head.version = 2;
  if (is_due("no_observation")) head.observation_size = 0;
  if (is_due("number_of_environments")) ++head.num_envs;
  if (is_due("names")) text = "faulty\nseed";
  if (is_due("many_names")) text += std::string(100, '\n');
  if (is_due("infinite")) high = kInfinity;
  if (is_due("swapped")) std::swap(low, high);
  if (is_due("no_limit")) head.max_episode_steps = 0;
  if (mode == "large") {
    num_zeros = 9998;
    text = "large";
  }
  if (is_changed("other_bounds")) low = -7;
  if (is_changed("no_more_ends")) head.flags = 0;
  if (is_changed("other_name")) text = "another\nseed\nsteps";
  if (is_changed("other_limit")) head.max_episode_steps = 5;
  if (is_changed("other_entries")) text = "faulty\nseed\nsteps of it";
  if (is_changed("grows")) {
    num_zeros = 1;
    text += "\nanother";
  }
  head.observation_size += static_cast<std::uint32_t>(num_zeros);
  head.text_bytes = static_cast<std::uint32_t>(text.size());
  std::string out;
  put(out, head);
  put(out, low);
  put(out, high);
  out += text;
  return out;
}

std::string step(const std::vector<char>& in) {
  const std::size_t N = environments.size();
  std::vector<float> rewards(N);
  std::vector<std::uint8_t> flags(N);
  for (std::size_t i = 0; i < N; ++i) {
    if (!in[i]) continue;
    if (environments[i].seed < 0) {
      std::fprintf(stderr, "environment %zu was never reset\n", i);
      std::exit(9);
    }
    environments[i].steps += 1;
    std::memcpy(&rewards[i], in.data() + padded(static_cast<std::uint32_t>(N)) + 4 * i, 4);
    flags[i] = environments[i].steps >= 1000 ? kTruncated : 0;
    if (mode == "ends_at_step" && environments[i].steps >= static_cast<float>(fault_at))
      flags[i] = kTerminated;
    if (mode.starts_with("dies_in_") && i == 0 && environments[i].steps >= 5)
      flags[i] = kTerminated;
    if (mode.starts_with("cores")) rewards[i] = num_cores();
  }
  if (is_due("not_a_number")) rewards[0] = NAN;
  if (is_due("flags")) flags[0] = 7;
  std::string out = observations();
  for (const float reward : rewards) put(out, reward);
  for (const std::uint8_t flag : flags) put(out, flag);
  return out;
}

// what happens in place of the answer to a step
void fail_before_answer() {
  if (is_due("dies")) {
    std::fprintf(stderr, "the first line\nout of luck\n");
    std::exit(3);
  }
  if (is_due("killed")) raise(SIGKILL);
  if (is_due("hangs"))
    while (true) pause();
  if (is_due("leaves_a_child")) {
    // one that holds the pipes open
    if (fork() == 0)
      while (true) pause();
    std::exit(4);
  }
  if (is_due("closes")) {
    close(4);
    while (true) pause();
  }
  if (is_due("floods")) {
    const std::string text(1 << 16, 'x');
    while (write(1, text.data(), text.size()) > 0) {
    }
  }
  if (is_due("prints")) {
    const std::string line(1000, 'x');
    for (int i = 0; i < 300; ++i) std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1) mode = arguments[1];
  if (count > 2) fault_at = std::atoi(arguments[2]);
  if (count > 3) marker = arguments[3];
  if (mode == "quits") {
    std::fprintf(stderr, "it is not my day\n");
    return 5;
  }
  if (mode == "silent")
    while (true) pause();
  if (mode == "cores_with_child" && fork() == 0)
    while (true) pause();
  while (true) {
    Request request{};
    read_fully(&request, sizeof(request));
    std::vector<char> in(request.bytes);
    std::string out;
    read_fully(in.data(), in.size());
    Reply reply{0, 0, request.sequence};
    if (request.op == kOpen) {
      Open open{};
      std::memcpy(&open, in.data(), sizeof(open));
      environments.assign(open.num_envs, {});
      out = greeting();
      if (mode == "refuses_without_a_text") {
        reply.status = 1;
        out.clear();
      }
    } else if (request.op == kReset) {
      if (is_due("dies_in_reset")) std::exit(7);
      // the first two processes
      if (static int count = 0; mode == "dies_in_two_resets" && ++count == fault_at)
        if (make(marker) || make(marker + " again")) std::exit(7);
      for (std::size_t i = 0; i < environments.size(); ++i) {
        std::uint64_t seed = 0;
        std::memcpy(&seed,
                    in.data() + padded(static_cast<std::uint32_t>(environments.size())) + 8 * i, 8);
        if (in[i]) environments[i] = {static_cast<float>(seed % 1000), 0};
      }
      out = observations();
      if (is_due("bad_start")) out.replace(0, 4, 4, '\xff');
    } else if (request.op == kStep) {
      // as libraries start them when they are first used
      static std::jthread thread;
      if (mode == "cores_with_thread" && !thread.joinable())
        thread = std::jthread([](const std::stop_token& stop) {
          while (!stop.stop_requested()) usleep(1000);
        });
      fail_before_answer();
      out = step(in);
    } else if (request.op == kEnds) {
      // where the second entry is above 5
      std::uint32_t rows = 0;
      std::memcpy(&rows, in.data(), sizeof(rows));
      for (std::uint32_t row = 0; row < rows; ++row) {
        float steps = 0;
        std::memcpy(&steps, in.data() + 8 + 8 * row + 4, 4);
        out += static_cast<char>(steps > 5);
      }
    }
    if (request.op == kStep && is_due("number")) reply.sequence += 1;
    if (request.op == kStep && is_due("short")) out.pop_back();
    if (request.op == kStep && is_due("refuses")) {
      reply.status = 1;
      out = "the arm broke";
    }
    reply.bytes = static_cast<std::uint32_t>(out.size());
    write_fully(&reply, sizeof(reply));
    write_fully(out.data(), out.size());
  }
}
