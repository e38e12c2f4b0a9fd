// Pictures of a MuJoCo model.
#pragma once

#include <mujoco/mujoco.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "envs/picture.h"
#include "host/analysis/offscreen.h"

namespace mbrl {

/// Sees the x-z plane from its side. It follows the body that the picture names, else it stands
/// still and sees the whole model.
class Camera {
 public:
  /// Errors   those of Offscreen::open; DeviceError if OpenGL has not what MuJoCo needs.
  Camera(const Picture& picture, int width, int height);
  ~Camera();
  Camera(const Camera&) = delete;
  Camera& operator=(const Camera&) = delete;

  /// Red, green and blue of each pixel, row by row from the top; valid until the next call. In the
  /// thread that made the camera.
  ///
  /// Shapes   [height, width, 3]
  const std::vector<std::uint8_t>& draw(const Env& env);

 private:
  struct State;

  const Picture& picture_;
  int width_, height_;
  std::unique_ptr<Offscreen> offscreen_;
  std::unique_ptr<State> state_;
  std::vector<std::uint8_t> pixels_, rows_;
  std::vector<float> depth_;
};

}  // namespace mbrl
