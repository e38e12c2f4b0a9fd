// What the texts of a config pick out of a user's model: entries of its state and sensors, terms of a
// reward, ranges of start states.
//
//   PICK    qpos, qvel, sensor or mocap: all joint positions, joint velocities, sensor values, or
//           places of mocap bodies. KIND:NAME is those of one joint, sensor or mocap body; [i] after
//           either is one entry of it, [i:j] those from i on, without j
//   TERM    WEIGHT PICK, of one entry, or WEIGHT distance PLACE PLACE; a PLACE is site:NAME,
//           body:NAME, or a NAME that only one of the two has
//   RANGE   PICK LOW HIGH
#pragma once

#include <mujoco/mujoco.h>

#include <string>
#include <vector>

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {

/// Arrays of mjData: qpos, qvel, sensordata, mocap_pos.
enum class MjcfKind { kPosition, kVelocity, kSensor, kMocap };

/// One number of a simulation.
struct MjcfEntry {
  MjcfKind kind;
  int index;  // in its array
  bool operator==(const MjcfEntry&) const = default;
};

/// Its value: rad, m, rad/s, m/s, or the sensor's unit.
double entry_value(const mjData& data, const MjcfEntry& entry);

/// "position of z", "velocity of hinge", "sensor tip[1]", "mocap target[0]". A free joint has 7
/// positions, a ball joint 4, in a row, under one name.
std::string entry_name(const mjModel& model, const MjcfEntry& entry);

/// Where a distance starts or ends: the origin of a site or of a body's frame.
struct MjcfPlace {
  bool site;
  int id;
  bool operator==(const MjcfPlace&) const = default;
};

/// A weighted part of a reward: an entry, or the distance of two places.
struct MjcfTerm {
  double weight;
  bool distance = false;
  MjcfEntry entry = {};
  MjcfPlace from = {}, to = {};
};

/// weight times the value; of what mjData holds now.
double term_value(const mjData& data, const MjcfTerm& term);

/// Where an entry starts: uniform in [low, high].
struct MjcfRange {
  MjcfEntry entry;
  double low, high;
};

/// mjcf.observe; where that is empty, positions from mjcf.skip_positions on, then velocities.
///
/// Errors   ConfigError that names the text and what the model has in place of it, the nearest name
///          first.
std::vector<MjcfEntry> observed_entries(const mjModel& model, const MjcfOptions& options);

/// mjcf.reward.
///
/// Errors   as observed_entries.
std::vector<MjcfTerm> reward_terms(const mjModel& model, const MjcfOptions& options);

/// mjcf.reset_ranges. keyframe: the <key> that episodes start from, or -1.
///
/// Errors   as observed_entries; further where a range leaves a joint's own or does not hold what
///          the keyframe says.
std::vector<MjcfRange> reset_ranges(const mjModel& model, const MjcfOptions& options, int keyframe);

/// What has to be computed anew after a step, so that these are values of its last state.
Fresh fresh_for(const mjModel& model, const std::vector<MjcfEntry>& observed,
                const std::vector<MjcfTerm>& terms);

}  // namespace mbrl
