// Which MuJoCo the program is linked with, and whether it is the one that it was compiled for.
#pragma once

#include <string>

namespace mbrl {

/// "MuJoCo 2.2.2": the library the program runs with.
std::string mujoco_name();

/// "2.2.2", "3.3.7", "3.5.0" of 222, 337, 3005000: numbers have three digits until 3.4.0.
std::string mujoco_version_text(int number);

/// Why a program that was compiled with the headers of one version cannot use the library of
/// another; "" if it can. The layout of MuJoCo's structures changes with each version. 4.0.0 is
/// refused: its Newton solver factors a wrong Hessian (google-deepmind/mujoco issue 3767).
std::string mujoco_fault(int header, int library);

/// The same of this program and the library that it has loaded.
std::string mujoco_fault();

/// make_env asks this first, whichever environment it is to make.
///
/// Errors   DataError with mujoco_fault().
void require_mujoco();

/// Whether a contact's margin is the sum of both geoms' margins, as from 3.5.0 on; before, it was
/// the larger one.
bool sums_margins(int version);

}  // namespace mbrl
