// Descriptors of the operating system that are closed by themselves, and pipes.
#pragma once

#include <utility>

namespace mbrl {

/// A descriptor, closed when this ends; -1 is none.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void close();

 private:
  int fd_;
};

/// Both ends of a pipe, which no program inherits but by what it is started with.
///
/// lowest   the least number that an end may have, so that it is none of those that a program
///          which is being started finds its own at
/// Errors   DeviceError if no more files may be open
struct Pipe {
  explicit Pipe(int lowest = 3);
  Descriptor read, write;
};

}  // namespace mbrl
