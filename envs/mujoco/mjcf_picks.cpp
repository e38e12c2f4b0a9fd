#include "envs/mujoco/mjcf_picks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string_view>

#include "base/error.h"
#include "base/nearest_name.h"
#include "base/printable.h"

namespace mbrl {
namespace {

// A text of a key, for what errors say of it.
struct Asked {
  const mjModel& model;
  const std::string& file;
  std::string key;   // "mjcf.observe"
  std::string item;  // "sensor:tip[3]"

  [[noreturn]] void refuse(const std::string& why) const {
    constexpr std::size_t kMost = 80;
    const std::string shown = printable(item.substr(0, kMost)) + (item.size() > kMost ? "..." : "");
    throw ConfigError(key + " has \"" + shown + "\", but " + why);
  }
};

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", x);
  return text;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// ---------------------------------------------------------------------------------------------------
// names

struct Named {
  std::string name;
  int id;
};

const char* name_of(const mjModel& model, mjtObj type, int id) {
  const char* name = mj_id2name(&model, type, id);
  return name == nullptr ? "" : name;
}

std::vector<Named> all_named(const mjModel& model, mjtObj type, int count) {
  std::vector<Named> result;
  for (int id = 0; id < count; ++id)
    if (const std::string name = name_of(model, type, id); !name.empty())
      result.push_back({name, id});
  return result;
}

std::vector<Named> mocap_bodies(const mjModel& model) {
  std::vector<Named> result;
  for (const Named& body : all_named(model, mjOBJ_BODY, static_cast<int>(model.nbody)))
    if (model.body_mocapid[body.id] >= 0) result.push_back(body);
  return result;
}

/// " It has elbow, shoulder.", the nearest to the name that was asked for first. prefixes: what is shown
/// before each; none where it is empty.
std::string those_there_are(const std::vector<Named>& all, std::string_view asked,
                            const std::vector<std::string>& prefixes = {}) {
  if (all.empty()) return " It has none with a name.";
  constexpr std::size_t kMost = 20;
  const std::string_view word = asked.substr(0, kLongestName);
  std::vector<std::pair<int, std::string>> names;
  for (std::size_t i = 0; i < all.size(); ++i)
    names.emplace_back(edit_distance(word, all[i].name),
                       (prefixes.empty() ? "" : prefixes[i]) + printable(all[i].name));
  std::stable_sort(names.begin(), names.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text = " It has ";
  for (std::size_t i = 0; i < std::min(kMost, names.size()); ++i)
    text += (i == 0 ? "" : ", ") + names[i].second;
  if (names.size() > kMost) text += ", and " + std::to_string(names.size() - kMost) + " more";
  return text + ".";
}

// ---------------------------------------------------------------------------------------------------
// picks

struct KindWord {
  const char* word;
  MjcfKind kind;
  const char* of;  // what its names are of
};
constexpr KindWord kKinds[] = {{"qpos", MjcfKind::kPosition, "joint"},
                               {"qvel", MjcfKind::kVelocity, "joint"},
                               {"sensor", MjcfKind::kSensor, "sensor"},
                               {"mocap", MjcfKind::kMocap, "mocap body"}};

int positions_of(int joint_type) {
  return joint_type == mjJNT_FREE ? 7 : joint_type == mjJNT_BALL ? 4 : 1;
}
int velocities_of(int joint_type) {
  return joint_type == mjJNT_FREE ? 6 : joint_type == mjJNT_BALL ? 3 : 1;
}

std::vector<MjcfEntry> entries(MjcfKind kind, int first, int count) {
  std::vector<MjcfEntry> result;
  for (int i = 0; i < count; ++i) result.push_back({kind, first + i});
  return result;
}

std::vector<MjcfEntry> all_of(const mjModel& model, MjcfKind kind) {
  switch (kind) {
    case MjcfKind::kPosition:
      return entries(kind, 0, static_cast<int>(model.nq));
    case MjcfKind::kVelocity:
      return entries(kind, 0, static_cast<int>(model.nv));
    case MjcfKind::kSensor:
      return entries(kind, 0, static_cast<int>(model.nsensordata));
    case MjcfKind::kMocap:
      return entries(kind, 0, 3 * static_cast<int>(model.nmocap));
  }
  return {};
}

std::vector<Named> named_of(const mjModel& model, MjcfKind kind) {
  if (kind == MjcfKind::kSensor)
    return all_named(model, mjOBJ_SENSOR, static_cast<int>(model.nsensor));
  if (kind == MjcfKind::kMocap) return mocap_bodies(model);
  return all_named(model, mjOBJ_JOINT, static_cast<int>(model.njnt));
}

/// The entries of joint, sensor or body `id`.
std::vector<MjcfEntry> entries_of(const mjModel& model, MjcfKind kind, int id) {
  switch (kind) {
    case MjcfKind::kPosition:
      return entries(kind, model.jnt_qposadr[id], positions_of(model.jnt_type[id]));
    case MjcfKind::kVelocity:
      return entries(kind, model.jnt_dofadr[id], velocities_of(model.jnt_type[id]));
    case MjcfKind::kSensor:
      return entries(kind, model.sensor_adr[id], model.sensor_dim[id]);
    case MjcfKind::kMocap:
      return entries(kind, 3 * model.body_mocapid[id], 3);
  }
  return {};
}

/// The sensor, or the joint, that an entry belongs to.
int owner(const mjModel& model, const MjcfEntry& entry) {
  const bool sensor = entry.kind == MjcfKind::kSensor;
  const int count = static_cast<int>(sensor ? model.nsensor : model.njnt);
  const int* first = sensor                              ? model.sensor_adr
                     : entry.kind == MjcfKind::kPosition ? model.jnt_qposadr
                                                         : model.jnt_dofadr;
  int id = 0;
  while (id + 1 < count && first[id + 1] <= entry.index) ++id;
  return id;
}

// those that keep earlier values came with 3.5; what they hold is another matter than the state
template <typename Model>
bool keeps_history(const Model& model, int sensor) {
  if constexpr (requires { model.sensor_history; })
    return model.sensor_history[2 * sensor] > 0;
  else
    return false;
}

/// Sensors whose value is not one of the present state.
void require_function_of_state(const Asked& asked, const MjcfEntry& entry) {
  if (entry.kind != MjcfKind::kSensor) return;
  const int sensor = owner(asked.model, entry);
  const std::string name = name_of(asked.model, mjOBJ_SENSOR, sensor);
  const std::string which = name.empty() ? "sensor " + std::to_string(sensor) : "sensor " + name;
  if (asked.model.sensor_type[sensor] == mjSENS_USER)
    asked.refuse(which + " of " + asked.file +
                 " is of the type user, which only a program computes. Name another one.");
  if (keeps_history(asked.model, sensor))
    asked.refuse(which + " of " + asked.file +
                 " has a delay or a history; take nsample, delay and interval out of it.");
#if mjVERSION_HEADER < 300
  if ((asked.model.opt.enableflags & mjENBL_SENSORNOISE) != 0)
    asked.refuse(
        asked.file +
        " has <flag sensornoise=\"enable\"/>, whose draws no seed of the run fixes; take it "
        "out.");
#endif
}

/// "[i]" or "[i:j]" of `count` entries.
std::vector<MjcfEntry> cut(const Asked& asked, std::vector<MjcfEntry> from, std::string_view text) {
  int first = 0, end = 0;
  const char* const last = text.data() + text.size();
  auto read = std::from_chars(text.data() + 1, last, first);
  const bool has_first = read.ec == std::errc();
  end = first + 1;
  if (has_first && read.ptr < last && *read.ptr == ':')
    read = std::from_chars(read.ptr + 1, last, end);
  const bool whole =
      has_first && read.ec == std::errc() && read.ptr + 1 == last && *read.ptr == ']';
  const int count = static_cast<int>(from.size());
  if (!whole || first < 0 || end <= first || end > count)
    asked.refuse(std::string(text) + " takes no part of " +
                 (count == 1 ? "its one entry, 0."
                             : "its entries, 0 to " + std::to_string(count - 1) + ".") +
                 " [i] takes one, [i:j] those from i on, without j.");
  return {from.begin() + first, from.begin() + end};
}

/// The entries that a PICK names; at least one.
std::vector<MjcfEntry> picked(const Asked& asked, std::string_view text) {
  text = trimmed(text);
  const std::size_t end_of_kind = std::min(text.find_first_of(":["), text.size());
  const std::string_view word = text.substr(0, end_of_kind);
  const KindWord* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                      [&](const KindWord& k) { return k.word == word; });
  if (kind == std::end(kKinds)) {
    const std::string near =
        nearest_name(word, {kKinds[0].word, kKinds[1].word, kKinds[2].word, kKinds[3].word});
    asked.refuse("expected qpos, qvel, sensor or mocap, alone or with a name, such as qpos:elbow." +
                 (near.empty() ? "" : " Did you mean " + near + "?"));
  }
  std::string_view rest = text.substr(end_of_kind);

  std::vector<MjcfEntry> found;
  if (rest.starts_with(':')) {
    rest.remove_prefix(1);
    const std::vector<Named> known = named_of(asked.model, kind->kind);
    const auto find = [&](std::string_view name) {
      return std::find_if(known.begin(), known.end(),
                          [&](const Named& n) { return n.name == name; });
    };
    // a name may have brackets itself
    auto named = find(rest);
    std::string_view name = rest;
    if (const std::size_t bracket = rest.rfind('[');
        named == known.end() && rest.ends_with(']') && bracket != std::string_view::npos) {
      name = rest.substr(0, bracket);
      named = find(name);
    }
    if (named == known.end()) {
      const bool fixed_body = kind->kind == MjcfKind::kMocap &&
                              mj_name2id(&asked.model, mjOBJ_BODY, std::string(name).c_str()) >= 0;
      asked.refuse(asked.file + " has no " + kind->of + " " + printable(std::string(name)) + "." +
                   (fixed_body
                        ? " There is a body of that name: give it mocap=\"true\", or joints, "
                          "which qpos picks."
                        : those_there_are(known, name)));
    }
    found = entries_of(asked.model, kind->kind, named->id);
    rest.remove_prefix(name.size());
  } else {
    found = all_of(asked.model, kind->kind);
    if (found.empty()) asked.refuse(asked.file + " has no " + kind->of + ".");
  }
  if (!rest.empty()) found = cut(asked, found, rest);
  for (const MjcfEntry& entry : found) require_function_of_state(asked, entry);
  return found;
}

// ---------------------------------------------------------------------------------------------------
// numbers and places

/// The number that a word is; finite.
double finite_number(const Asked& asked, std::string_view word, const char* what) {
  double value = 0.0;
  const std::string_view digits = word.starts_with('+') ? word.substr(1) : word;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || end.ptr != digits.data() + digits.size() ||
      end.ec == std::errc::invalid_argument)
    asked.refuse(std::string(what) + " \"" + printable(std::string(word)) + "\" is not a number.");
  if (end.ec != std::errc() || !std::isfinite(value))
    asked.refuse(std::string(what) + " " + std::string(word) + " is not finite.");
  return value;
}

MjcfPlace place_of(const Asked& asked, const std::string& text) {
  const mjModel& model = asked.model;
  const bool says_site = text.starts_with("site:"), says_body = text.starts_with("body:");
  const std::string name = says_site || says_body ? text.substr(5) : text;
  const int site = says_body ? -1 : mj_name2id(&model, mjOBJ_SITE, name.c_str());
  const int body = says_site ? -1 : mj_name2id(&model, mjOBJ_BODY, name.c_str());
  if (site >= 0 && body >= 0)
    asked.refuse(asked.file + " has a site and a body " + printable(name) +
                 "; write site:" + printable(name) + " or body:" + printable(name) + ".");
  if (site < 0 && body < 0) {
    std::vector<Named> places;
    std::vector<std::string> prefixes;
    const auto add = [&](mjtObj type, int count, const char* prefix) {
      for (const Named& place : all_named(model, type, count)) {
        places.push_back(place);
        prefixes.emplace_back(prefix);
      }
    };
    if (!says_body) add(mjOBJ_SITE, static_cast<int>(model.nsite), says_site ? "" : "site:");
    if (!says_site) add(mjOBJ_BODY, static_cast<int>(model.nbody), says_body ? "" : "body:");
    asked.refuse(asked.file + " has no " +
                 (says_site   ? "site "
                  : says_body ? "body "
                              : "site and no body ") +
                 printable(name) + "." + those_there_are(places, name, prefixes));
  }
  return {site >= 0, site >= 0 ? site : body};
}

const double* position_of(const mjData& data, const MjcfPlace& place) {
  return (place.site ? data.site_xpos : data.xpos) + 3 * place.id;
}

/// An entry of a keyframe.
double key_value(const mjModel& model, int keyframe, const MjcfEntry& entry) {
  const auto value = [&](const double* values, auto each) {
    return values[keyframe * static_cast<int>(each) + entry.index];
  };
  if (entry.kind == MjcfKind::kPosition) return value(model.key_qpos, model.nq);
  if (entry.kind == MjcfKind::kVelocity) return value(model.key_qvel, model.nv);
  return value(model.key_mpos, 3 * model.nmocap);
}

void require_possible(const Asked& asked, const MjcfRange& range) {
  if (range.entry.kind != MjcfKind::kPosition) return;
  const mjModel& model = asked.model;
  const int joint = owner(model, range.entry);
  const int part = range.entry.index - model.jnt_qposadr[joint];
  const int type = model.jnt_type[joint];
  if (type == mjJNT_BALL || (type == mjJNT_FREE && part >= 3))
    asked.refuse(entry_name(model, range.entry) +
                 " is a part of a quaternion, whose length is 1: hinge joints in place of it, or "
                 "mjcf.keyframe, turn a body.");
  if (type == mjJNT_FREE || !model.jnt_limited[joint]) return;
  const double low = model.jnt_range[2 * joint], high = model.jnt_range[2 * joint + 1];
  if (range.low < low || range.high > high)
    asked.refuse("the joint's own range is " + number(low) + " to " + number(high) + " in " +
                 asked.file + "; stay inside.");
}

}  // namespace

double entry_value(const mjData& data, const MjcfEntry& entry) {
  switch (entry.kind) {
    case MjcfKind::kPosition:
      return data.qpos[entry.index];
    case MjcfKind::kVelocity:
      return data.qvel[entry.index];
    case MjcfKind::kSensor:
      return data.sensordata[entry.index];
    case MjcfKind::kMocap:
      return data.mocap_pos[entry.index];
  }
  return 0.0;
}

std::string entry_name(const mjModel& model, const MjcfEntry& entry) {
  if (entry.kind == MjcfKind::kMocap) {
    int body = 0;
    while (model.body_mocapid[body] != entry.index / 3) ++body;
    return std::string("mocap ") + name_of(model, mjOBJ_BODY, body) + "[" +
           std::to_string(entry.index % 3) + "]";
  }
  const int id = owner(model, entry);
  if (entry.kind == MjcfKind::kSensor) {
    const std::string name = name_of(model, mjOBJ_SENSOR, id);
    return "sensor " + (name.empty() ? std::to_string(id) : name) +
           (model.sensor_dim[id] == 1
                ? ""
                : "[" + std::to_string(entry.index - model.sensor_adr[id]) + "]");
  }
  const std::string name = name_of(model, mjOBJ_JOINT, id);
  return std::string(entry.kind == MjcfKind::kPosition ? "position" : "velocity") + " of " +
         (name.empty() ? "joint " + std::to_string(id) : name);
}

double term_value(const mjData& data, const MjcfTerm& term) {
  if (!term.distance) return term.weight * entry_value(data, term.entry);
  const double *from = position_of(data, term.from), *to = position_of(data, term.to);
  return term.weight * std::hypot(to[0] - from[0], to[1] - from[1], to[2] - from[2]);
}

std::vector<MjcfEntry> observed_entries(const mjModel& model, const MjcfOptions& options) {
  std::vector<MjcfEntry> all;
  if (options.observe.empty()) {
    const int skip = options.skip_positions;
    if (skip < 0 || skip > model.nq)
      throw ConfigError("mjcf.skip_positions is " + std::to_string(skip) + ", but " +
                        options.model + " has " + std::to_string(model.nq) + " positions.");
    all = entries(MjcfKind::kPosition, skip, static_cast<int>(model.nq) - skip);
    for (const MjcfEntry& entry : all_of(model, MjcfKind::kVelocity)) all.push_back(entry);
    if (all.empty())
      throw ConfigError("mjcf.model " + options.model +
                        " has no joints: there is nothing to observe. mjcf.observe may name "
                        "sensors.");
    return all;
  }
  if (options.skip_positions != MjcfOptions{}.skip_positions)
    throw ConfigError("mjcf.skip_positions is " + std::to_string(options.skip_positions) +
                      ", but mjcf.observe says what is observed; leave one of them out. "
                      "\"qpos[2:" +
                      std::to_string(model.nq) + "]\" there skips two positions.");
  for (const std::string& item : options.observe) {
    const Asked asked{model, options.model, "mjcf.observe", item};
    for (const MjcfEntry& entry : picked(asked, item)) {
      if (std::find(all.begin(), all.end(), entry) != all.end())
        asked.refuse(entry_name(model, entry) + " is observed already; name it once.");
      all.push_back(entry);
    }
  }
  return all;
}

std::vector<MjcfTerm> reward_terms(const mjModel& model, const MjcfOptions& options) {
  std::vector<MjcfTerm> terms;
  for (const std::string& item : options.reward) {
    const Asked asked{model, options.model, "mjcf.reward", item};
    const std::string_view text = trimmed(item);
    const std::size_t blank = text.find_first_of(" \t");
    if (blank == std::string_view::npos)
      asked.refuse(
          "expected a weight and what it weighs, such as \"-1 distance tip target\" or \"0.5 "
          "sensor:speed\".");
    MjcfTerm term{.weight = finite_number(asked, text.substr(0, blank), "the weight")};
    const std::string_view what = trimmed(text.substr(blank));

    std::istringstream stream{std::string(what)};
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    if (words.front() == "distance") {
      if (words.size() != 3)
        asked.refuse("a distance is of two sites or bodies, such as \"-1 distance tip target\".");
      term.distance = true;
      term.from = place_of(asked, words[1]);
      term.to = place_of(asked, words[2]);
      if (term.from == term.to)
        asked.refuse("the distance of a place from itself is always 0; name two.");
    } else {
      const std::vector<MjcfEntry> found = picked(asked, what);
      if (found.size() != 1)
        asked.refuse("that is " + std::to_string(found.size()) +
                     " entries; a term has one. [0] after it takes the first.");
      term.entry = found.front();
    }
    terms.push_back(term);
  }
  return terms;
}

std::vector<MjcfRange> reset_ranges(const mjModel& model, const MjcfOptions& options,
                                    int keyframe) {
  std::vector<MjcfRange> ranges;
  for (const std::string& item : options.reset_ranges) {
    const Asked asked{model, options.model, "mjcf.reset_ranges", item};
    // the last two words are numbers, what stands before them is a pick
    std::string_view text = trimmed(item);
    std::string_view bounds[2];
    for (int i = 1; i >= 0; --i) {
      const std::size_t blank = text.find_last_of(" \t");
      if (blank == std::string_view::npos)
        asked.refuse(
            "expected what starts there, and two numbers, such as \"qpos:elbow -0.1 0.1\".");
      bounds[i] = text.substr(blank + 1);
      text = trimmed(text.substr(0, blank));
    }
    const double low = finite_number(asked, bounds[0], "the low end"),
                 high = finite_number(asked, bounds[1], "the high end");
    if (low > high)
      asked.refuse("its low end " + number(low) + " is above its high end " + number(high) +
                   "; swap them.");
    for (const MjcfEntry& entry : picked(asked, text)) {
      const MjcfRange range{entry, low, high};
      if (entry.kind == MjcfKind::kSensor)
        asked.refuse("a sensor is measured, not set; expected qpos, qvel or mocap.");
      for (const MjcfRange& other : ranges)
        if (other.entry == entry)
          asked.refuse(entry_name(model, entry) + " has a range already; leave one of them out.");
      require_possible(asked, range);
      if (keyframe >= 0) {
        const double key = key_value(model, keyframe, entry);
        if (key < low || key > high)
          asked.refuse("mjcf.keyframe " + options.keyframe + " has the " +
                       entry_name(model, entry) + " at " + number(key) +
                       ". Let the range hold that value, or leave one of the two out.");
      }
      ranges.push_back(range);
    }
  }
  return ranges;
}

Fresh fresh_for(const mjModel& model, const std::vector<MjcfEntry>& observed,
                const std::vector<MjcfTerm>& terms) {
  Fresh fresh = Fresh::kNothing;
  const auto need = [&](Fresh least) { fresh = std::max(fresh, least); };
  const auto need_entry = [&](const MjcfEntry& entry) {
    if (entry.kind != MjcfKind::kSensor) return;
    const int stage = model.sensor_needstage[owner(model, entry)];
    need(stage == mjSTAGE_POS   ? Fresh::kPositionSensors
         : stage == mjSTAGE_VEL ? Fresh::kVelocitySensors
                                : Fresh::kAllSensors);
  };
  for (const MjcfEntry& entry : observed) need_entry(entry);
  for (const MjcfTerm& term : terms)
    if (term.distance)
      need(Fresh::kPlaces);
    else
      need_entry(term.entry);
  return fresh;
}

}  // namespace mbrl
