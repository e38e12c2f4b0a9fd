// Structs whose members describe themselves: type, name, meaning, limits and default in one place.
//
//   struct SacConfig {
//     MBRL_KEY(float, tau, "step of the target critics", above(0), Unit{"per update"}) = 0.005f;
//   };
//
// declares `float tau = 0.005f`, so that SacConfig stays a plain aggregate, and lets
// for_each_key<SacConfig> find the rest: the members in their order, each with what is said of it.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace mbrl {

/// Limits of a number, or of every number in a list.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;  // the limit itself is excluded
  bool high_open = false;
};
inline Range at_least(double low) { return {.low = low}; }
inline Range above(double low) { return {.low = low, .low_open = true}; }
inline Range between(double low, double high) { return {.low = low, .high = high}; }
inline Range strictly_between(double low, double high) {
  return {.low = low, .high = high, .low_open = true, .high_open = true};
}

/// What else may be said of a key, in any order.
struct Unit {
  const char* name;
};
struct Choices {  // of a text, or of each text in a list
  std::vector<std::string> names;
};
struct NumItems {  // of a list; without it: one or more, or none where that is the default
  int count;
};
struct Formerly {  // its path in configs of earlier versions, still understood
  const char* path;
};
enum Live { kLive };        // a run may change it between two of its steps
enum Variant { kVariant };  // implementations differ in it: a run says at its start which one it is

/// All that is said of one key.
struct KeyDescription {
  std::string name;
  std::string text;  // what it means, without a full stop
  std::string unit = {};
  Range range = {};
  std::vector<std::string> choices = {};
  int num_items = 0;
  std::string former_path = {};
  bool live = false;
  bool variant = false;

  template <typename... Properties>
  KeyDescription(const char* key, const char* meaning, Properties... properties)
      : name(key), text(meaning) {
    (set(std::move(properties)), ...);
  }

 private:
  void set(Range limits) { range = limits; }
  void set(Unit of) { unit = of.name; }
  void set(Choices of) { choices = std::move(of.names); }
  void set(NumItems of) { num_items = of.count; }
  void set(Formerly of) { former_path = of.path; }
  void set(Live) { live = true; }
  void set(Variant) { variant = true; }
};

/// A described member: get(object) is a reference to it.
template <typename Get>
struct DescribedKey {
  Get get;
  KeyDescription description;
};
template <typename Get>  // said, not deduced: compilers of 2022 do not deduce an aggregate's
DescribedKey(Get, KeyDescription)->DescribedKey<Get>;

/// A member that is a struct of keys itself.
template <typename Get>
struct DescribedSection {
  Get get;
  const char* name;
};
template <typename Get>
DescribedSection(Get, const char*) -> DescribedSection<Get>;

/// The line of a source file that a member stands on: what tells the descriptions of a struct
/// apart and keeps their order.
template <int line>
using Line = std::integral_constant<int, line>;

// clang-format off
/// MBRL_KEY(type, name, "meaning", properties...) = default;
#define MBRL_KEY(type, member, ...)                                                 \
  static auto described(::mbrl::Line<__LINE__>) {                                   \
    return ::mbrl::DescribedKey{[](auto& object) -> auto& { return object.member; }, \
                                ::mbrl::KeyDescription(#member, __VA_ARGS__)};      \
  }                                                                                 \
  type member

/// MBRL_SECTION(type, name); type is a struct of keys.
#define MBRL_SECTION(type, member)                                                      \
  static auto described(::mbrl::Line<__LINE__>) {                                       \
    return ::mbrl::DescribedSection{[](auto& object) -> auto& { return object.member; }, \
                                    #member};                                           \
  }                                                                                     \
  type member
// clang-format on

/// Calls `on_key` with the DescribedKey and `on_section` with the DescribedSection of each member
/// of T, in their order.
template <typename T, typename OnKey, typename OnSection>
void for_each_key(OnKey&& on_key, OnSection&& on_section) {
  const auto visit = [&]<int line>(Line<line> here) {
    if constexpr (requires { T::described(here); }) {
      const auto member = T::described(here);
      if constexpr (requires { member.description; })
        on_key(member);
      else
        on_section(member);
    }
  };
  // more lines than any such header has; a fold expression of as many would be nested too deep for Clang
  [&]<int... line>(std::integer_sequence<int, line...>) {
    [[maybe_unused]] const bool in_order[] = {(visit(Line<line>{}), true)...};
  }
  (std::make_integer_sequence<int, 400>{});
}

}  // namespace mbrl
