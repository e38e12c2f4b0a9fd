// Episodes of a trained policy as a film.
#pragma once

#include <functional>
#include <vector>

#include "cuda/stream.h"
#include "host/algo/learner.h"
#include "host/io/film_file.h"

namespace mbrl {

struct FilmOptions {
  int num_episodes = 1;
  int width = 480, height = 360;
};

struct Film {
  std::vector<double> returns;  // of each episode, undiscounted
  std::vector<int> lengths;
  int num_pictures = 0;
  double frames_per_second = 0.0;  // at which it plays as fast as the robot moves
};

/// Frames in a second of a film of this environment, and the steps from one to the next: as many as
/// steps where that is 60 or less, else one in so many steps.
struct FilmRate {
  double frames_per_second;
  int steps_per_picture;
};
FilmRate film_rate(double dt);

/// Fresh episodes under the deterministic policy, which no training step and no evaluation has, from
/// their start states to their ends. `open` makes the writer once pictures can be drawn.
///
/// Errors   those of picture_of, Camera and the writer.
/// Cost     about 40 ms a picture of 480 x 360 in software. The learner stays as it is. Episodes are
///          those of record_episodes.
Film film_episodes(Stream& stream, Learner& learner, const FilmOptions& options,
                   const std::function<std::unique_ptr<FilmWriter>(double rate)>& open);

}  // namespace mbrl
