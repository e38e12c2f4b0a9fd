#include "envs/mujoco/mujoco_env.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <new>
#include <system_error>

#include "base/error.h"
#include "envs/env.h"
#include "envs/mujoco/mujoco_version.h"

namespace mbrl {
namespace {

constexpr const char* kMemoryAdvice =
    ". <size> in the robot's file gives it more: njmax, nconmax and nstack, from MuJoCo 2.3 on "
    "memory.";

// The engine's handlers are process-wide. Its own ones wait for a key on standard input and write a
// log file into the working directory.
void throw_error(const char* text) { throw DataError(std::string("MuJoCo: ") + text); }
void ignore_warning(const char*) {}
void install_handlers() {
  static const bool installed = [] {
    mju_user_error = throw_error;
    mju_user_warning = ignore_warning;  // instability is found by fault() below
    return true;
  }();
  (void)installed;
}

mjModel* compile(const std::string& mjcf) {
  const char* name = "robot.xml";
  const auto free_vfs = [](mjVFS* v) {
    mj_deleteVFS(v);
    delete v;
  };
  const std::unique_ptr<mjVFS, decltype(free_vfs)> vfs(new mjVFS, free_vfs);
  mj_defaultVFS(vfs.get());
  // 3.1.3 brought the first call, 3.2.0 removed the second
#if mjVERSION_HEADER >= 313
  mj_addBufferVFS(vfs.get(), name, mjcf.data(), static_cast<int>(mjcf.size()));
#else
  mj_makeEmptyFileVFS(vfs.get(), name, static_cast<int>(mjcf.size()));
  std::memcpy(vfs->filedata[0], mjcf.data(), mjcf.size());
#endif
  char error[1000] = "";
  mjModel* model = mj_loadXML(name, vfs.get(), error, sizeof(error));
  if (model == nullptr) throw DataError(std::string("MuJoCo cannot compile a model: ") + error);
  // all geoms of a robot of ours have the same
  if (sums_margins(mj_version()))
    for (int geom = 0; geom < model->ngeom; ++geom) model->geom_margin[geom] *= 0.5;
  return model;
}

// models are made once per key
std::shared_ptr<const mjModel> shared_model(const std::string& key,
                                            mjModel* (*make)(const std::string&)) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const mjModel>> models;
  const std::lock_guard lock(mutex);
  if (auto model = models[key].lock()) return model;
  require_mujoco();
  install_handlers();
  std::shared_ptr<const mjModel> model(
      make(key), [](const mjModel* m) { mj_deleteModel(const_cast<mjModel*>(m)); });
  models[key] = model;
  return model;
}

// MuJoCo's texts have several lines
std::string one_paragraph(const char* text) {
  std::string result;
  for (const char* c = text; *c != '\0'; ++c)
    if (*c != '\n')
      result += *c;
    else if (!result.empty() && result.back() != ' ')
      result += std::strchr(".,:", result.back()) != nullptr ? " " : ", ";
  while (!result.empty() && (result.back() == ' ' || result.back() == ',')) result.pop_back();
  return result;
}

// MJCF changes with MuJoCo: what this one does not know may be newer or older than it, or misspelled
std::string version_advice(const std::string& error) {
  constexpr const char* kSigns[] = {"unrecognized attribute", "unrecognized element",
                                    "invalid keyword", "Schema violation", "has too much data"};
  const std::string end = error.empty() || error.back() != '.' ? "." : "";
  if (error.find("autolimits") != std::string::npos)
    return end + " This is " + mujoco_name() +
           "; newer ones take a range for a limit by themselves.";
  if (std::none_of(std::begin(kSigns), std::end(kSigns),
                   [&](const char* sign) { return error.find(sign) != std::string::npos; }))
    return "";
  return end + " This is " + mujoco_name() +
         ", which does not know it: the file may be written for another version, most likely a newer "
         "one. Take it out of the file, or build with that version: cmake --preset cpu "
         "-DMuJoCo_ROOT=<its folder>.";
}

mjModel* load(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string advice =
      std::string("; give the path of an MJCF file") +
      (file.is_relative() ? ", from the current folder or from that of the config file." : ".");
  std::error_code error_of_disk;
  const std::filesystem::file_status status = std::filesystem::status(file, error_of_disk);
  if (!std::filesystem::status_known(status))
    throw DataError("mjcf.model " + path + " cannot be read: " + error_of_disk.message() + ".");
  if (!std::filesystem::exists(status))
    throw ConfigError("mjcf.model " + path + " does not exist" + advice);
  if (std::filesystem::is_directory(status))
    throw ConfigError("mjcf.model " + path + " is a folder" + advice);
  char error[1000] = "";
  mjModel* model = mj_loadXML(path.c_str(), nullptr, error, sizeof(error));
  if (model == nullptr)
    throw DataError("MuJoCo cannot compile mjcf.model " + path + ": " + one_paragraph(error) +
                    version_advice(one_paragraph(error)));
  return model;
}

std::string format(const char* pattern, auto... values) {
  char text[512];
  std::snprintf(text, sizeof(text), pattern, values...);
  return text;
}

}  // namespace

std::shared_ptr<const mjModel> compile_model(const std::string& mjcf) {
  return shared_model(mjcf, compile);
}

std::shared_ptr<const mjModel> load_model(const std::string& path) {
  return shared_model(path, load);
}

std::string shape(const Capsule& c) {
  const bool sphere = std::equal(c.from, c.from + 3, c.to);
  const std::string place =
      sphere ? format("type=\"sphere\" pos=\"%.17g %.17g %.17g\"", c.from[0], c.from[1], c.from[2])
             : format("type=\"capsule\" fromto=\"%.17g %.17g %.17g %.17g %.17g %.17g\"", c.from[0],
                      c.from[1], c.from[2], c.to[0], c.to[1], c.to[2]);
  return place + format(" size=\"%.17g\"", c.radius);
}

namespace {

// mass, center and inertia about the center, in the body's axes
struct Inertial {
  double mass, center[3], inertia[3][3];
};

Inertial part_inertial(const Capsule& c, double density) {
  Inertial result;
  double axis[3], length = 0.0;
  for (int i = 0; i < 3; ++i) {
    axis[i] = c.to[i] - c.from[i];
    result.center[i] = 0.5 * (c.to[i] + c.from[i]);
    length += axis[i] * axis[i];
  }
  length = std::sqrt(length);
  const double r = c.radius, height = length + r;
  const bool sphere = length == 0.0;
  const double mass = result.mass =
      sphere ? density * (4.0 / 3.0) * M_PI * r * r * r : density * M_PI * r * r * height;
  const double across = sphere ? 0.4 * mass * r * r : mass * (3.0 * r * r + height * height) / 12.0;
  const double along = sphere ? across : 0.5 * mass * r * r;

  // I = across (1 - a a^T) + along a a^T, for the unit vector a along the axis
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      result.inertia[i][j] =
          (i == j ? across : 0.0) +
          (sphere ? 0.0 : (along - across) * axis[i] * axis[j] / (length * length));
  return result;
}

}  // namespace

std::string old_inertial(const std::vector<Capsule>& body, double density) {
  std::vector<Inertial> parts;
  for (const Capsule& c : body) parts.push_back(part_inertial(c, density));

  // several parts: the common center, then each part's inertia about it, I + m (d^2 1 - d d^T)
  Inertial sum = parts.front();
  if (parts.size() > 1) {
    sum = {};
    for (const Inertial& part : parts) {
      sum.mass += part.mass;
      for (int i = 0; i < 3; ++i) sum.center[i] += part.mass * part.center[i];
    }
    for (double& x : sum.center) x /= sum.mass;
    for (const Inertial& part : parts) {
      double d[3], squared = 0.0;
      for (int i = 0; i < 3; ++i) {
        d[i] = part.center[i] - sum.center[i];
        squared += d[i] * d[i];
      }
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
          sum.inertia[i][j] +=
              part.inertia[i][j] + part.mass * ((i == j ? squared : 0.0) - d[i] * d[j]);
    }
  }
  return format(
      "<inertial pos=\"%.17g %.17g %.17g\" mass=\"%.17g\" "
      "fullinertia=\"%.17g %.17g %.17g %.17g %.17g %.17g\"/>",
      sum.center[0], sum.center[1], sum.center[2], sum.mass, sum.inertia[0][0], sum.inertia[1][1],
      sum.inertia[2][2], sum.inertia[0][1], sum.inertia[0][2], sum.inertia[1][2]);
}

double ResetNoise::uniform(int i) const {
  return 2.0 * uniform01(key.bits(episode, static_cast<std::uint32_t>(i)).x) - 1.0;
}

double ResetNoise::gaussian(int i) const {
  return normal(key, episode, static_cast<std::uint32_t>(i), 0);
}

MujocoEnv::MujocoEnv(MujocoRobot robot) : robot_(std::move(robot)) {
  EnvSpec& spec = robot_.spec;
  spec.simulator = mujoco_name();
  if (model().nu != spec.action_size)
    throw DataError(spec.name + ": the model has " + std::to_string(model().nu) +
                    " actuators, the task " + std::to_string(spec.action_size) + " actions.");
  for (int i = 0; i < model().nu; ++i) {
    spec.action_low.push_back(static_cast<float>(model().actuator_ctrlrange[2 * i]));
    spec.action_high.push_back(static_cast<float>(model().actuator_ctrlrange[2 * i + 1]));
  }
  data_ = mj_makeData(&model());
  if (data_ == nullptr) throw std::bad_alloc();
  if (robot_.reads_before) before_.resize(static_cast<std::size_t>(spec.observation_size));
}

MujocoEnv::~MujocoEnv() { mj_deleteData(data_); }

void MujocoEnv::reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) {
  if (robot_.keyframe >= 0)
    mj_resetDataKeyframe(&model(), data_, robot_.keyframe);
  else
    mj_resetData(&model(), data_);
  start({{seed, purpose::kEnvReset, 0}, episode});
  mj_forward(&model(), data_);
  observe(0.0, observation);
}

void MujocoEnv::start(const ResetNoise& noise) {
  if (robot_.start) return robot_.start(*data_, noise);
  const int nq = model().nq;
  const double width = robot_.reset_noise;
  for (int i = 0; i < nq; ++i)
    data_->qpos[i] += width * (robot_.gaussian_positions ? noise.gaussian(i) : noise.uniform(i));
  for (int i = 0; i < model().nv; ++i)
    data_->qvel[i] +=
        width * (robot_.gaussian_velocities ? noise.gaussian(nq + i) : noise.uniform(nq + i));
  mj_normalizeQuat(&model(), data_->qpos);
  if (robot_.place) robot_.place(*data_, noise);
}

// an error of the engine with the robot's name and what helps
template <typename Simulate>
void MujocoEnv::simulate_or_advise(Simulate&& simulate) {
  try {
    simulate();
  } catch (const DataError& error) {
    throw DataError(spec().name + ", " + spec().description + ": " + error.what() + kMemoryAdvice);
  }
}

void MujocoEnv::refresh() {
  const mjModel& m = model();
  switch (robot_.fresh) {
    case Fresh::kNothing:
      return;
    case Fresh::kPlaces:
      mj_kinematics(&m, data_);
      mj_comPos(&m, data_);
      return;
    case Fresh::kPositionSensors:
    case Fresh::kVelocitySensors:
      mj_fwdPosition(&m, data_);
      mj_sensorPos(&m, data_);
      if (robot_.fresh == Fresh::kPositionSensors) return;
      mj_fwdVelocity(&m, data_);
      mj_sensorVel(&m, data_);
      return;
    case Fresh::kAllSensors:
      mj_forward(&m, data_);
      return;
  }
}

void MujocoEnv::observe(double speed, std::span<float> o) {
  simulate_or_advise([&] { refresh(); });
  if (robot_.observe) return robot_.observe(*data_, o);
  const int first = robot_.observes_speed ? 1 : 0;
  const int skip = robot_.skip_positions, positions = model().nq - skip;
  const double limit = robot_.velocity_limit;
  if (static_cast<int>(o.size()) != first + positions + model().nv)
    throw DataError(spec().name + ": the model has " + std::to_string(positions + model().nv) +
                    " positions and velocities to observe, the task's observation " +
                    std::to_string(o.size()) + " entries.");
  if (robot_.observes_speed) o[0] = static_cast<float>(speed);
  for (int i = 0; i < positions; ++i) o[first + i] = static_cast<float>(data_->qpos[skip + i]);
  for (int i = 0; i < model().nv; ++i)
    o[first + positions + i] = static_cast<float>(std::clamp(data_->qvel[i], -limit, limit));
}

double MujocoEnv::forward_position() {
  return robot_.forward_position ? robot_.forward_position(model(), *data_) : data_->qpos[0];
}

// [-1, 1] to the actuator's range; values outside are clipped, as the reference's wrapper does
void MujocoEnv::set_controls(std::span<const float> action) {
  for (int i = 0; i < model().nu; ++i) {
    const double low = model().actuator_ctrlrange[2 * i],
                 high = model().actuator_ctrlrange[2 * i + 1];
    const double control = low + (action[i] + 1.0) * 0.5 * (high - low);
    data_->ctrl[i] = control < low ? low : control > high ? high : control;
  }
}

// one control step of the engine
void MujocoEnv::advance() {
  simulate_or_advise([&] {
    for (int i = 0; i < robot_.frame_skip; ++i) mj_step(&model(), data_);
  });
}

bool MujocoEnv::simulate(std::span<const float> action) {
  set_controls(action);
  advance();
  return true;
}

StepResult MujocoEnv::do_step(std::span<const float> action, std::span<float> observation) {
  set_controls(action);
  if (robot_.reads_before) observe(0.0, before_);

  // the engine resets an exploded simulation silently and goes on: its counters and clock tell
  for (int i = 0; i < mjNWARNING; ++i) data_->warning[i].number = 0;
  const double x_before = forward_position(), time_before = data_->time;
  advance();
  // without room for a contact the engine leaves it out, and bodies fall through each other
  if (data_->warning[mjWARN_CONTACTFULL].number > 0 || data_->warning[mjWARN_CNSTRFULL].number > 0)
    throw DataError(spec().name + ", " + spec().description +
                    ": MuJoCo has no room for all contacts and limits" + kMemoryAdvice);
  if (const Fault broken = fault(time_before)) return {.broken = broken};

  // version 2.0 stopped computing forces that no sensor reads
  if (robot_.contact_forces) mj_rnePostConstraint(&model(), data_);
  const double dx = forward_position() - x_before;
  // what explodes and comes to rest within the step
  if (!(std::abs(dx) <= robot_.max_speed * spec().dt)) return {.broken = kTooFast};
  observe(dx / spec().dt, observation);
  return robot_.outcome({model(), *data_, observation, before_, dx, spec().dt, squared_control()});
}

double MujocoEnv::squared_control() const {
  double sum = 0.0;
  for (int i = 0; i < model().nu; ++i) sum += data_->ctrl[i] * data_->ctrl[i];
  return sum;
}

Fault MujocoEnv::fault(double time_before) const {
  const mjWarningStat* warning = data_->warning;
  if (warning[mjWARN_BADCTRL].number > 0 || warning[mjWARN_BADQPOS].number > 0 ||
      warning[mjWARN_BADQVEL].number > 0 || warning[mjWARN_BADQACC].number > 0)
    return kEngineFault;
  if (!(std::abs(data_->time - time_before - spec().dt) <= 1e-6 * (1.0 + data_->time)))
    return kClockFault;
  for (int i = 0; i < model().nq; ++i)
    if (!std::isfinite(data_->qpos[i])) return kNotFinite;
  for (int i = 0; i < model().nv; ++i)
    if (!(std::abs(data_->qvel[i]) <= robot_.max_speed)) return kTooFast;
  return kNoFault;
}

namespace {

// earlier values of delayed controls and sensors: from MuJoCo 3.5 on a part of the state
template <typename Model>
int history_size(const Model& model) {
  if constexpr (requires { model.nhistory; })
    return static_cast<int>(model.nhistory);
  else
    return 0;
}
template <typename Data>
auto history_of(Data& data) {
  if constexpr (requires { data.history; })
    return data.history;
  else
    return data.qpos;  // of which 0 are read
}

}  // namespace

int MujocoEnv::state_size() const {
  return model().nq + 2 * model().nv + model().na + 1 + history_size(model()) +
         (robot_.moves_mocap ? 7 * model().nmocap : 0);
}

void MujocoEnv::get_state(std::span<double> state) const {
  double* out = state.data();
  const auto put = [&](const mjtNum* values, int count) { out = std::copy_n(values, count, out); };
  put(data_->qpos, model().nq);
  put(data_->qvel, model().nv);
  put(data_->act, model().na);
  put(data_->qacc_warmstart, model().nv);
  put(&data_->time, 1);
  put(history_of(*data_), history_size(model()));
  if (!robot_.moves_mocap) return;
  put(data_->mocap_pos, 3 * model().nmocap);
  put(data_->mocap_quat, 4 * model().nmocap);
}

void MujocoEnv::set_state(std::span<const double> state) {
  mj_resetData(&model(), data_);
  const double* in = state.data();
  const auto take = [&](mjtNum* values, int count) {
    std::copy_n(in, count, values);
    in += count;
  };
  take(data_->qpos, model().nq);
  take(data_->qvel, model().nv);
  take(data_->act, model().na);
  take(data_->qacc_warmstart, model().nv);
  take(&data_->time, 1);
  take(history_of(*data_), history_size(model()));
  if (!robot_.moves_mocap) return;
  take(data_->mocap_pos, 3 * model().nmocap);
  take(data_->mocap_quat, 4 * model().nmocap);
}

}  // namespace mbrl
