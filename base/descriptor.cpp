#include "base/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"

namespace mbrl {

void Descriptor::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Pipe::Pipe(int lowest) {
  int made[2];
  bool is_made = pipe2(made, O_CLOEXEC) == 0;
  if (is_made) {
    const Descriptor first(made[0]), second(made[1]);
    read = Descriptor(fcntl(made[0], F_DUPFD_CLOEXEC, lowest));
    write = Descriptor(fcntl(made[1], F_DUPFD_CLOEXEC, lowest));
    is_made = read.is_open() && write.is_open();
  }
  if (!is_made)
    throw DeviceError(std::string("no pipe to another program can be made: ") +
                      std::strerror(errno) + ". `ulimit -n` says how many files may be open.");
}

}  // namespace mbrl
