// OpenGL without a window.
#pragma once

#include <memory>

namespace mbrl {

/// A context of OpenGL that is current in the thread that made it, as long as this lives: of EGL
/// without a surface, on a GPU where there is one, else in software; or of OSMesa where there is no
/// EGL. Both libraries are loaded when they are asked for, and needed by nothing else.
class Offscreen {
 public:
  virtual ~Offscreen() = default;

  /// Errors   DeviceError: why neither is to be had, and what to install.
  static std::unique_ptr<Offscreen> open();
};

}  // namespace mbrl
