#include "host/tune/study/process_name.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <string_view>

#include "base/printable.h"

namespace mbrl {
namespace {

struct Parts {
  std::string machine, host;
  long pid = 0;
  std::uint64_t start = 0;
};

// "HOST.BOOT.SPACE.PID.START"; a host's name may hold dots
std::optional<Parts> parts_of(const std::string& name) {
  std::string_view rest = name;
  std::string_view fields[4];
  for (int i = 3; i >= 0; --i) {
    const std::size_t dot = rest.rfind('.');
    if (dot == std::string_view::npos) return std::nullopt;
    fields[i] = rest.substr(dot + 1);
    rest = rest.substr(0, dot);
  }
  Parts parts{.machine = fmt::format("{}.{}.{}", rest, fields[0], fields[1]),
              .host = std::string(rest)};
  const auto number = [](std::string_view text, auto& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
  };
  if (!number(fields[2], parts.pid) || !number(fields[3], parts.start) || parts.pid <= 0)
    return std::nullopt;
  return parts;
}

// when a process began, in ticks since the machine did; nothing if it has ended
std::optional<std::uint64_t> start_of(long pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  // its own name, in parentheses, may hold anything
  const std::size_t after = text.rfind(')');
  if (after == std::string::npos || after + 2 >= text.size()) return std::nullopt;
  const char state = text[after + 2];
  if (state == 'Z' || state == 'X' || state == 'x') return std::nullopt;
  std::string_view rest = std::string_view(text).substr(after + 2);
  constexpr int kFieldsBefore = 19;  // state is the third field, the start the 22nd
  for (int i = 0; i < kFieldsBefore; ++i) {
    const std::size_t space = rest.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    rest = rest.substr(space + 1);
  }
  std::uint64_t start = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), start);
  return start;
}

std::string this_machine() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  std::string name = host;
  // it becomes part of a file's name
  for (char& c : name)
    if (c == '/' || static_cast<unsigned char>(c) < 0x21) c = '_';
  if (name.empty() || name[0] == '.') name.insert(0, "host");
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::getline(file, boot);
  struct stat space {};
  ::stat("/proc/self/ns/pid", &space);
  return fmt::format("{}.{}.{}", name, boot.empty() ? "0" : boot.substr(0, 8), space.st_ino);
}

}  // namespace

std::string own_process_name() {
  const long pid = ::getpid();
  return fmt::format("{}.{}.{}", this_machine(), pid, start_of(pid).value_or(0));
}

std::optional<bool> process_has_ended(const std::string& name) {
  const std::optional<Parts> parts = parts_of(name);
  if (!parts) return true;
  if (parts->machine != this_machine()) return std::nullopt;
  return start_of(parts->pid) != parts->start;
}

std::string process_text(const std::string& name) {
  const std::optional<Parts> parts = parts_of(name);
  if (!parts) return printable(name);
  return fmt::format("process {} on {}", parts->pid, printable(parts->host));
}

}  // namespace mbrl
