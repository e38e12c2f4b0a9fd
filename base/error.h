// The error family: thrown where the fact is known, caught once in host/main.cpp.
#pragma once

#include <stdexcept>
#include <string>

namespace mbrl {

/// Exit codes of the program; README.md lists them for users.
enum class ExitCode : int { kDone = 0, kConfig = 2, kDevice = 3, kData = 4, kStopped = 130 };

/// Base of all errors a user can meet: one paragraph that says what was asked, what was found,
/// where, and the way out.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Configuration or command line.
struct ConfigError : Error {
  explicit ConfigError(const std::string& text) : Error(ExitCode::kConfig, text) {}
};

/// Arrays whose shapes do not fit together: an error of the program, not of its user.
struct ShapeError : Error {
  explicit ShapeError(const std::string& text) : Error(ExitCode::kData, text) {}
};

/// The device that was asked for is absent, too small or failed.
struct DeviceError : Error {
  explicit DeviceError(const std::string& text) : Error(ExitCode::kDevice, text) {}
};

/// Files that are missing, damaged or foreign, and values that are not finite.
struct DataError : Error {
  explicit DataError(const std::string& text) : Error(ExitCode::kData, text) {}
};

/// A value in training that is not finite: the learner's own failure, not that of the machine.
struct DivergedError : DataError {
  using DataError::DataError;
};

}  // namespace mbrl
