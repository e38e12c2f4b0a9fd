#include "host/config/former_names.h"

#include <string_view>
#include <utility>

namespace mbrl {
namespace {

constexpr std::pair<std::string_view, std::string_view> kNames[] = {
    // now, before
    {"ant", "ant-mbpo"},
    {"autombpo_ant", "autombpo-ant"},
    {"autombpo_halfcheetah_bullet", "autombpo-halfcheetah-bullet"},
    {"autombpo_hopper", "autombpo-hopper"},
    {"autombpo_hopper_bullet", "autombpo-hopper-bullet"},
    {"autombpo_humanoid", "autombpo-humanoid"},
    {"autombpo_inverted_pendulum", "autombpo-inverted-pendulum"},
    {"autombpo_smoke", "autombpo-smoke"},
    {"autombpo_walker2d_bullet", "autombpo-walker2d-bullet"},
    {"halfcheetah", "halfcheetah-mbpo"},
    {"halfcheetah_bullet", "halfcheetah-bullet-mbpo"},
    {"hopper", "hopper-mbpo"},
    {"hopper_bullet", "hopper-bullet-mbpo"},
    {"humanoid", "humanoid-mbpo"},
    {"inverted_double_pendulum", "inverted-double-pendulum-mbpo"},
    {"inverted_pendulum", "inverted-pendulum-mbpo"},
    {"ppo_hopper", "hopper-ppo"},
    {"reacher", "reacher-mbpo"},
    {"sac_hopper", "hopper-sac"},
    {"swimmer", "swimmer-mbpo"},
    {"walker2d", "walker2d-mbpo"},
    {"walker2d_bullet", "walker2d-bullet-mbpo"}};

constexpr std::string_view kBaseline = "-baseline";

}  // namespace

std::string former_name(const std::string& name) {
  for (const auto& [now, before] : kNames) {
    if (name == now) return std::string(before);
    if (name == std::string(now) + std::string(kBaseline))
      return std::string(before) + std::string(kBaseline);
  }
  return "";
}

std::string present_name(const std::string& name) {
  for (const auto& [now, before] : kNames)
    if (name == before) return std::string(now);
  return name;
}

}  // namespace mbrl
