#include "host/config/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "base/error.h"
#include "base/nearest_name.h"
#include "host/config/algorithms.h"
#include "kernels/stages/rollout/rollout.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

Range at_least(double low) { return {.low = low}; }
Range above(double low) { return {.low = low, .low_open = true}; }
Range between(double low, double high) { return {.low = low, .high = high}; }
Range strictly_between(double low, double high) {
  return {.low = low, .high = high, .low_open = true, .high_open = true};
}

// the key is the member's name, so the two cannot drift apart
#define MBRL_TOP(member) "", #member, [](Config& c) -> Slot { return &c.member; }
#define MBRL_KEY(section, member) \
#section, #member, [](Config & c) -> Slot { return &c.section.member; }

std::vector<std::string> algorithm_names() {
#define MBRL_NAME(name) #name,
  return {MBRL_ALGORITHMS(MBRL_NAME)};
#undef MBRL_NAME
}

std::vector<Field> make_fields() {
  const std::vector<std::string> kHeads{"real_ratio", "model", "updates", "rollout_length"};
  return {
      {MBRL_TOP(name), "folder of the run under the runs directory", "", {}},
      {MBRL_TOP(algorithm), "what learns", "", {}, algorithm_names()},
      {MBRL_TOP(seed), "key of all random draws of the run", "", at_least(0)},

      {MBRL_KEY(env, name), "environment", "", {}, env_names()},
      {MBRL_KEY(env, capsule_masses),
       "capsule masses: old as MuJoCo 1.50 compiled them (the papers' physics), exact as MuJoCo >= "
       "2.1.2",
       "",
       {},
       {"old", "exact"}},
      {MBRL_KEY(env, contact_cost),
       "ant and humanoid pay for contact forces: true as under MuJoCo 1.50 (the papers), false as "
       "where mujoco-py leaves them 0 (MuJoCo >= 2.0)",
       ""},
      {MBRL_KEY(env, max_episode_steps), "time limit of an episode; 0: the environment's own",
       "env steps", at_least(0)},
      {MBRL_KEY(env, model), "mjcf: path of the robot's MJCF file", ""},
      {MBRL_KEY(env, frame_skip), "mjcf: simulator steps in an env step", "", at_least(1)},
      {MBRL_KEY(env, skip_positions), "mjcf: leading positions that are not observed", "",
       at_least(0)},
      {MBRL_KEY(env, velocity_limit), "mjcf: observed velocities are clipped to this; 0: not", "",
       at_least(0)},
      {MBRL_KEY(env, reward_forward), "mjcf: weight of the forward speed", "reward per m/s"},
      {MBRL_KEY(env, reward_alive), "mjcf: reward of every step", "reward"},
      {MBRL_KEY(env, control_cost), "mjcf: price of the sum of squared controls", "reward",
       at_least(0)},
      {MBRL_KEY(env, reset_noise), "mjcf: half width of the noise on the start state", "",
       at_least(0)},
      {MBRL_KEY(env, end_bounds),
       "mjcf: index, low, high of each observation entry that ends an episode outside", ""},

      {MBRL_KEY(model, ensemble_size),
       "members of the ensemble; each trains on its own bootstrap of the data", "", at_least(1)},
      // a row of a rollout keeps its elite's position in one byte
      {MBRL_KEY(model, num_elites),
       "members used for rollouts, ranked by holdout error; on a GPU up to 32", "",
       between(1, kMaxRolloutElites)},
      {MBRL_KEY(model, hidden_size), "width of the hidden layers", "units", at_least(1)},
      {MBRL_KEY(model, num_hidden_layers), "hidden layers of each member", "", at_least(1)},
      {MBRL_KEY(model, learning_rate), "Adam's step size for the ensemble", "", above(0)},
      {MBRL_KEY(model, weight_decay),
       "L2 decay of each layer's weights, first to last; num_hidden_layers + 1 values", "",
       at_least(0)},
      {MBRL_KEY(model, batch_size), "rows per member and training step", "rows", at_least(1)},
      {MBRL_KEY(model, holdout_ratio), "share of the real data kept for early stopping", "",
       strictly_between(0, 1)},
      {MBRL_KEY(model, max_holdout), "upper limit of the holdout set", "rows", at_least(1)},
      {MBRL_KEY(model, patience),
       "stop after more than this many epochs in a row without improvement", "model epochs",
       at_least(0)},
      {MBRL_KEY(model, min_improvement),
       "relative fall of a member's holdout error that counts",
       "",
       {.low = 0, .high = 1, .high_open = true}},
      {MBRL_KEY(model, max_epochs), "epochs per fit; 0: no limit", "model epochs", at_least(0)},
      {MBRL_KEY(model, logvar_penalty), "weight of sum(max_logvar) - sum(min_logvar) in the loss",
       "", at_least(0)},
      {MBRL_KEY(model, init_max_logvar),
       "start of the learned upper bound of the log variance",
       "nats",
       {}},
      {MBRL_KEY(model, init_min_logvar),
       "start of the learned lower bound of the log variance",
       "nats",
       {}},
      {MBRL_KEY(model, min_input_std),
       "standard deviations below this count as 1 in the input scaler", "", at_least(0)},

      {MBRL_KEY(rollout, batch_size), "start states of imagined rollouts after each fit", "states",
       at_least(1)},
      {MBRL_KEY(rollout, schedule),
       "rollout length over epochs: [first epoch, last epoch, first length, last length]",
       "epochs, env steps",
       at_least(0),
       {},
       4},
      {MBRL_KEY(rollout, retain_epochs), "epochs of imagined data the model replay holds", "epochs",
       at_least(1)},
      {MBRL_KEY(rollout, interval), "distance between rollouts; 0: after each fit", "env steps",
       at_least(0)},

      {MBRL_KEY(sac, hidden_sizes), "widths of the hidden layers of actor and critics", "units",
       at_least(1)},
      {MBRL_KEY(sac, learning_rate), "Adam's step size for actor, critics and temperature", "",
       above(0)},
      {MBRL_KEY(sac, discount), "discount of the return", "per env step", between(0, 1)},
      {MBRL_KEY(sac, tau),
       "step of the target critics towards the critics",
       "per update",
       {.low = 0, .high = 1, .low_open = true}},
      {MBRL_KEY(sac, batch_size), "rows of a policy update", "rows", at_least(1)},
      {MBRL_KEY(sac, init_alpha), "start of the temperature", "reward units per nat", above(0)},
      {MBRL_KEY(sac, auto_target_entropy),
       "take minus the action size as the target entropy",
       "",
       {}},
      {MBRL_KEY(sac, target_entropy), "target entropy when auto_target_entropy is off", "nats", {}},
      {MBRL_KEY(sac, updates_per_step), "policy updates after each env step", "updates",
       at_least(0)},
      {MBRL_KEY(sac, update_order),
       "sequential: the actor sees the updated critics; simultaneous: all gradients from the "
       "parameters "
       "before the update",
       "",
       {},
       {"sequential", "simultaneous"}},

      {MBRL_KEY(ppo, num_envs), "environments stepped at once by algorithm ppo", "", at_least(1)},
      {MBRL_KEY(ppo, steps_per_update), "steps of each environment between two updates",
       "env steps", at_least(1)},
      {MBRL_KEY(ppo, epochs),
       "times that an update goes over what was collected",
       "",
       {.low = 1, .high = 256}},
      {MBRL_KEY(ppo, batch_size), "rows of a gradient step; divides num_envs * steps_per_update",
       "rows", at_least(1)},
      {MBRL_KEY(ppo, clip), "half width of the range of the ratio of probabilities", "", above(0)},
      {MBRL_KEY(ppo, discount), "discount of the return", "per env step", between(0, 1)},
      {MBRL_KEY(ppo, gae_lambda), "weight of later steps in an advantage", "per env step",
       between(0, 1)},
      {MBRL_KEY(ppo, entropy_bonus), "weight of the policy's entropy in the loss",
       "loss units per nat", at_least(0)},
      {MBRL_KEY(ppo, value_weight), "weight of the value loss, half the mean squared error", "",
       at_least(0)},
      {MBRL_KEY(ppo, max_gradient_norm),
       "limit of the gradient's norm over policy and value network; 0: none", "", at_least(0)},
      {MBRL_KEY(ppo, learning_rate), "Adam's step size for policy and value network", "", above(0)},
      {MBRL_KEY(ppo, hidden_sizes), "widths of the hidden layers of policy and value network",
       "units", at_least(1)},
      {MBRL_KEY(ppo, normalize_observations),
       "scale observations by their running mean and deviation", ""},
      {MBRL_KEY(ppo, normalize_rewards),
       "scale rewards by the running deviation of the discounted return", ""},

      {MBRL_KEY(loop, num_env_steps), "real steps in all, exploration included", "env steps",
       at_least(1)},
      {MBRL_KEY(loop, epoch_length), "length of an epoch", "env steps", at_least(1)},
      {MBRL_KEY(loop, num_exploration_steps),
       "uniform random actions first; the episode in progress is finished", "env steps",
       at_least(0)},
      {MBRL_KEY(loop, min_replay_size), "real transitions before the first policy update", "rows",
       at_least(1)},
      {MBRL_KEY(loop, replay_capacity), "real transitions kept", "rows", at_least(1)},
      {MBRL_KEY(loop, model_train_interval), "distance between two fits of the ensemble",
       "env steps", at_least(1)},
      {MBRL_KEY(loop, real_ratio), "share of real rows in a policy batch, rounded down to rows", "",
       between(0, 1)},
      {MBRL_KEY(loop, pool_insertion),
       "when the real replay receives transitions: at the end of their episode, or at every step",
       "",
       {},
       {"episode", "step"}},

      {MBRL_KEY(eval, interval), "distance between two evaluations", "env steps", at_least(1)},
      {MBRL_KEY(eval, num_episodes), "episodes of one evaluation", "episodes", at_least(1)},

      {MBRL_KEY(checkpoint, interval),
       "distance between two checkpoints; 0: only at the end and when stopped", "env steps",
       at_least(0)},
      {MBRL_KEY(checkpoint, keep), "checkpoints kept, newest first", "", at_least(1)},

      {MBRL_KEY(device, precision),
       "operands of matrix products; sums and parameters are always fp32; all but fp32 need a GPU",
       "",
       {},
       {"fp32", "tf32", "fp16", "bf16"}},
      {MBRL_KEY(device, gemm),
       "GPU: matrix products of SAC and the ensemble by our fused kernels (hand), layer by layer "
       "by "
       "our own kernel (plain) or a library, or whichever is fastest here (auto, measured once)",
       "",
       {},
       {"hand", "plain", "cublaslt", "cudnn", "auto"}},
      {MBRL_KEY(device, graphs),
       "GPU: launch recorded sequences as one graph; false: kernel by kernel, to find errors", ""},

      {MBRL_KEY(controller, file), "a trained controller, which then steers an mbpo run", ""},
      {MBRL_KEY(controller, heads), "what the controller decides on", "", {}, kHeads},
      {MBRL_KEY(controller, apply),
       "heads whose decisions take effect; the others' hyperparameters follow the config",
       "",
       {},
       kHeads},
      {MBRL_KEY(controller, features),
       "what the controller sees",
       "",
       {},
       {"samples", "model_loss", "critic_loss", "policy_change", "return", "values"}},
      {MBRL_KEY(controller, interval), "distance between decisions", "env steps", at_least(1)},
      {MBRL_KEY(controller, ratio_factor), "a decision multiplies the real ratio by 1/c, 1 or c",
       "", above(1)},
      {MBRL_KEY(controller, init_real_ratio), "start of the real ratio, if it is decided on", "",
       between(0, 1)},
      {MBRL_KEY(controller, init_updates_per_step),
       "start of the updates per step, if they are decided on", "updates", at_least(1)},
      {MBRL_KEY(controller, max_updates_per_step), "upper limit of the updates per step", "updates",
       at_least(1)},
      {MBRL_KEY(controller, rollout_interval), "distance between rollouts of a steered run",
       "env steps", at_least(1)},
      {MBRL_KEY(controller, rollout_batch_size), "start states of each rollout of a steered run",
       "states", at_least(1)},
      {MBRL_KEY(controller, training_penalty), "price of a model fit in scaled reward", "",
       at_least(0)},
      {MBRL_KEY(controller, reward_scale), "return that is one unit of the controller's reward",
       "reward", above(0)},
      {MBRL_KEY(controller, return_scale), "return that the controller sees as 1", "reward",
       above(0)},
      {MBRL_KEY(controller, model_loss_scale), "validation loss that the controller sees as 1", "",
       above(0)},
      {MBRL_KEY(controller, critic_loss_scale), "critic loss that the controller sees as 1", "",
       above(0)},
      {MBRL_KEY(controller, policy_change_scale), "policy change that the controller sees as 1", "",
       above(0)},
      {MBRL_KEY(controller, hidden_size), "width of the controller's hidden layer", "units",
       at_least(1)},
      {MBRL_KEY(controller, learning_rate), "Adam's step size for the controller", "", above(0)},
      {MBRL_KEY(controller, clip), "PPO's limit on the change of a probability ratio", "",
       strictly_between(0, 1)},
      {MBRL_KEY(controller, entropy_bonus), "weight of the controller's entropy in its objective",
       "", at_least(0)},
      {MBRL_KEY(controller, value_baseline),
       "subtract a learned value from the controller's advantage", ""},
      {MBRL_KEY(controller, batch_size), "decisions in an update of the controller", "decisions",
       at_least(1)},
      {MBRL_KEY(controller, updates_per_episode),
       "updates of the controller for each hyper-episode", "updates", at_least(0)},
      {MBRL_KEY(controller, stack),
       "joint: one controller with a head per hyperparameter; staged: three, trained one after the "
       "other",
       "",
       {},
       {"joint", "staged"}},
      {MBRL_KEY(controller, epsilon),
       "chance of a uniform random decision, stage by stage; the last value stays", "",
       between(0, 1)},

      {MBRL_KEY(autombpo, scheme),
       "ppo: a controller learns over all hyper-episodes; ror: a small Q-network learns anew "
       "inside each run",
       "",
       {},
       {"ppo", "ror"}},
      {MBRL_KEY(autombpo, num_episodes), "hyper-episodes for each controller of the stack",
       "MBPO runs", at_least(1)},
      {MBRL_KEY(autombpo, episodes_per_stage), "hyper-episodes between updates of the controller",
       "MBPO runs", at_least(1)},
      {MBRL_KEY(autombpo, train_epochs), "length of a hyper-episode behind exploration", "epochs",
       at_least(1)},
      {MBRL_KEY(autombpo, eval_epochs), "length of the evaluation's runs behind exploration",
       "epochs", at_least(1)},
      {MBRL_KEY(autombpo, num_seeds), "runs of the evaluation, and of default MBPO", "MBPO runs",
       at_least(1)},
      {MBRL_KEY(autombpo, baseline),
       "folder of default MBPO runs to compare with; empty: made and kept", ""},

      {MBRL_KEY(population, concurrent), "learners at the same time: auto, or a number", ""},
  };
}

#undef MBRL_TOP
#undef MBRL_KEY

// ---------------------------------------------------------------------------------------------------
// values

template <typename T>
constexpr bool kIsList =
    std::is_same_v<T, std::vector<int>> || std::is_same_v<T, std::vector<float>>;

// calls f with the value of the field
template <typename F>
auto visit_value(const Config& config, const Field& field, F&& f) {
  const Slot slot = field.slot(const_cast<Config&>(config));
  return std::visit([&](const auto* value) { return f(*value); }, slot);
}

// the double whose shortest text is the float's shortest text: 0.001f gives 0.001, not
// 0.00100000005
double as_double(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double result = 0.0;
  std::from_chars(text, end, result);
  return result;
}

Json to_json(bool value) { return value; }
Json to_json(int value) { return value; }
Json to_json(float value) { return as_double(value); }
Json to_json(const std::string& value) { return value; }
template <typename T>
Json to_json(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(to_json(value));
  return list;
}

std::string to_text(bool value) { return value ? "true" : "false"; }
std::string to_text(int value) { return fmt::format("{}", value); }
std::string to_text(float value) { return fmt::format("{}", value); }
std::string to_text(const std::string& value) { return value; }
template <typename T>
std::string to_text(const std::vector<T>& values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

bool in_range(double value, const Range& range) {
  const bool low = range.low_open ? value > range.low : value >= range.low;
  const bool high = range.high_open ? value < range.high : value <= range.high;
  return low && high;
}

// reads one number; false if it is of another kind or not representable
bool read_number(const Json& value, int& number) {
  if (!value.is_number()) return false;
  const double wide = value.get<double>();
  if (wide != std::floor(wide) || std::abs(wide) > std::numeric_limits<int>::max()) return false;
  number = static_cast<int>(wide);
  return true;
}
bool read_number(const Json& value, float& number) {
  if (!value.is_number()) return false;
  number = static_cast<float>(value.get<double>());
  return std::isfinite(number);
}

bool read(const Json& value, const Field&, bool& result) {
  if (!value.is_boolean()) return false;
  result = value.get<bool>();
  return true;
}
bool read(const Json& value, const Field& field, std::string& result) {
  if (!value.is_string()) return false;
  result = value.get<std::string>();
  return field.choices.empty() ||
         std::find(field.choices.begin(), field.choices.end(), result) != field.choices.end();
}
bool read(const Json& value, const Field& field, std::vector<std::string>& result) {
  if (!value.is_array() || (value.empty() && !may_be_empty(field))) return false;
  result.clear();
  for (const Json& item : value) {
    std::string text;
    if (!read(item, field, text)) return false;
    result.push_back(text);
  }
  return true;
}
template <typename T>
requires std::is_arithmetic_v<T>
bool read(const Json& value, const Field& field, T& result) {
  return read_number(value, result) && in_range(value.get<double>(), field.range);
}
template <typename T>
bool read(const Json& value, const Field& field, std::vector<T>& result) {
  if (!value.is_array() || (value.empty() && !may_be_empty(field))) return false;
  if (field.num_items > 0 && static_cast<int>(value.size()) != field.num_items) return false;
  result.clear();
  for (const Json& item : value) {
    T number{};
    if (!read_number(item, number) || !in_range(item.get<double>(), field.range)) return false;
    result.push_back(number);
  }
  return true;
}

// ---------------------------------------------------------------------------------------------------
// texts

// the largest number the field's type can hold
double largest_number(const Field& field) {
  return visit_value(Config{}, field, [](const auto& value) -> double {
    using T = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<T, int>) return std::numeric_limits<int>::max();
    return std::numeric_limits<float>::max();
  });
}

// the value as it was found, cut where it gets long; its kind only where that is the surprise
std::string found_text(const Json& value, const Field& field) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";

  if (value.is_string() && !is_text(field)) return text + ", a string";
  if (value.is_number() && std::abs(value.get<double>()) > largest_number(field)) {
    return text + ", which is too large";
  }
  if (value.is_array()) return text + fmt::format(", a list of {}", value.size());
  if (value.is_object()) return text + ", an object";
  return text;
}

}  // namespace

const std::vector<Field>& fields() {
  static const std::vector<Field> table = make_fields();
  return table;
}

bool may_be_empty(const Field& field) {
  const Json value = field_value(Config{}, field);
  return value.is_array() && value.empty();
}

const Field* find_field(std::string_view path) {
  for (const Field& field : fields()) {
    if (field.path() == path) return &field;
  }
  return nullptr;
}

const std::vector<std::string>& sections() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> found;
    for (const Field& field : fields()) {
      if (!field.section.empty() && (found.empty() || found.back() != field.section)) {
        found.push_back(field.section);
      }
    }
    return found;
  }();
  return names;
}

bool is_text(const Field& field) {
  Config config;
  return std::holds_alternative<std::string*>(field.slot(config));
}

bool is_text_list(const Field& field) {
  Config config;
  return std::holds_alternative<std::vector<std::string>*>(field.slot(config));
}

Json field_value(const Config& config, const Field& field) {
  return visit_value(config, field, [](const auto& value) { return to_json(value); });
}

std::string field_text(const Config& config, const Field& field) {
  return visit_value(config, field, [](const auto& value) { return to_text(value); });
}

std::string range_text(const Range& range) {
  const bool low = std::isfinite(range.low), high = std::isfinite(range.high);
  if (low && high) {
    return fmt::format("{}{}, {}{}", range.low_open ? '(' : '[', range.low, range.high,
                       range.high_open ? ')' : ']');
  }
  if (low) return fmt::format("{} {}", range.low_open ? ">" : ">=", range.low);
  if (high) return fmt::format("{} {}", range.high_open ? "<" : "<=", range.high);
  return "";
}

std::string expectation(const Field& field) {
  if (!field.choices.empty())
    return fmt::format("{} {}", is_text_list(field) ? "a list of some of" : "one of",
                       fmt::join(field.choices, ", "));

  const std::string limits = range_text(field.range);
  const std::string in_limits = limits.empty()                           ? ""
                                : (limits[0] == '[' || limits[0] == '(') ? " in " + limits
                                                                         : " " + limits;
  const std::string count = field.num_items > 0 ? fmt::format("{} ", field.num_items) : "";
  return visit_value(Config{}, field, [&](const auto& value) -> std::string {
    using T = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<T, bool>) return "true or false";
    if constexpr (std::is_same_v<T, std::string>) return "a string";
    if constexpr (std::is_same_v<T, int>) return "an integer" + in_limits;
    if constexpr (std::is_same_v<T, float>) return "a number" + in_limits;
    if constexpr (std::is_same_v<T, std::vector<int>>) {
      return fmt::format("a list of {}integers{}", count, in_limits);
    }
    if constexpr (std::is_same_v<T, std::vector<float>>) {
      return fmt::format("a list of {}numbers{}", count, in_limits);
    }
    if constexpr (std::is_same_v<T, std::vector<std::string>>) return "a list of strings";
  });
}

void set_field(Config& config, const Field& field, const Json& value, std::string_view origin) {
  // read into a copy of the value, so that a refused one leaves the config as it was
  const bool accepted = std::visit(
      [&](auto* target) {
        auto candidate = *target;
        if (!read(value, field, candidate)) return false;
        *target = std::move(candidate);
        return true;
      },
      field.slot(config));
  if (accepted) return;

  std::string hint;
  // of a list, the first name that is none
  const auto is_wrong = [&](const Json& name) {
    return name.is_string() && std::find(field.choices.begin(), field.choices.end(),
                                         name.get<std::string>()) == field.choices.end();
  };
  const auto in_list =
      value.is_array() ? std::find_if(value.begin(), value.end(), is_wrong) : value.end();
  const Json& name = in_list != value.end() ? *in_list : value;
  if (name.is_string() && !field.choices.empty()) {
    if (value.is_array()) hint = fmt::format(" There is no {}.", name.get<std::string>());
    const std::string near = nearest_name(name.get<std::string>(), field.choices);
    if (!near.empty()) hint += fmt::format(" Did you mean {}?", near);
  }
  throw ConfigError(fmt::format("{}: {} is {}; expected {} ({}).{}", origin, field.path(),
                                found_text(value, field), expectation(field), field.doc, hint));
}

void throw_unknown_key(std::string_view path, std::string_view origin) {
  const auto is_section = [](const std::string& name) {
    return std::find(sections().begin(), sections().end(), name) != sections().end();
  };
  if (is_section(std::string(path))) {
    throw ConfigError(fmt::format(
        "{}: {} is a section of keys; `mbrl_gpu config keys {}` lists them.", origin, path, path));
  }
  const auto dot = path.find('.');
  const bool has_section = dot != std::string_view::npos;
  std::string section(has_section ? path.substr(0, dot) : "");
  const std::string key(has_section ? path.substr(dot + 1) : path);

  // the right key in the wrong place or in none, then the nearest spelling
  std::vector<std::string> near, known, keys;
  for (const Field& field : fields()) {
    if (field.key == key) near.push_back(field.path());
    known.push_back(field.path());
    keys.push_back(field.key);
  }
  if (near.empty()) {
    if (!has_section) known.insert(known.end(), sections().begin(), sections().end());
    const std::string name = nearest_name(path, known);
    if (!name.empty()) near.push_back(name);
  }
  if (near.empty() && !has_section) {
    const std::string name = nearest_name(key, keys);
    for (const Field& field : fields()) {
      if (field.key == name) near.push_back(field.path());
    }
  }

  // point to the section that is meant, as far as that is clear
  if (has_section && !is_section(section)) section = nearest_name(section, sections());
  throw ConfigError(
      fmt::format("{}: {} is unknown.{} `mbrl_gpu config keys{}` lists all.", origin, path,
                  near.empty() ? "" : fmt::format(" Did you mean {}?", fmt::join(near, " or ")),
                  section.empty() ? "" : " " + section));
}

}  // namespace mbrl
