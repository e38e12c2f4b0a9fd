#include "host/tune/study/population_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/printable.h"
#include "host/io/archive.h"
#include "host/io/json_file.h"

namespace mbrl {
namespace {

nlohmann::ordered_json returns_json(const Returns& returns) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& [step, value] : returns)
    list.push_back(nlohmann::ordered_json::array({step, value}));
  return list;
}

std::string text_of(const nlohmann::ordered_json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  if (text.size() > 60) text.resize(60);
  return text;
}

}  // namespace

PopulationRecord::PopulationRecord(const SearchSpace& space, const std::vector<TrialValues>& first,
                                   std::int64_t num_steps, bool copies_state)
    : space_(space), num_steps_(num_steps), copies_state_(copies_state), last_(first.size(), -1) {
  for (const TrialValues& values : first) seats_.push_back({.values = values});
}

double PopulationRecord::score_of(const Slice& slice) const {
  if (!slice.error.empty()) return kDead;
  double sum = 0.0;
  std::size_t count = 0;
  for (const Slice* s = &slice;; s = &slices_[static_cast<std::size_t>(s->parent)]) {
    for (auto value = s->returns.rbegin(); value != s->returns.rend() && count < kScoredEvaluations;
         ++value, ++count)
      sum += value->second;
    if (s->parent < 0 || count == kScoredEvaluations) break;
  }
  return count == 0 ? kDead : sum / static_cast<double>(count);
}

std::vector<int> PopulationRecord::end(const std::vector<SliceResult>& results) {
  std::vector<int> ids;
  for (const SliceResult& result : results) {
    const auto m = static_cast<std::size_t>(result.member);
    Seat& seat = seats_.at(m);
    Slice slice{.member = result.member,
                .parent = seat.parent,
                .begin = seat.begin,
                .end = result.end,
                .values = seat.values,
                .returns = result.returns,
                .error = result.error,
                .number = seat.num_slices,
                .source = seat.source};
    slice.score = score_of(slice);
    const auto id = static_cast<int>(slices_.size());
    slices_.push_back(std::move(slice));
    used_signs_.emplace_back();
    seat.parent = last_[m] = id;
    seat.begin = result.end;
    seat.is_copy = false;
    seat.source = -1;
    // one that has diverged has no state to go on from
    seat.over = result.end >= num_steps_ || !result.error.empty();
    ++seat.num_slices;
    ids.push_back(id);
  }
  return ids;
}

void PopulationRecord::exchange(const Exchange& exchange) {
  Seat& seat = seats_.at(static_cast<std::size_t>(exchange.member));
  seat.values = exchange.values;
  seat.source = exchange.from;
  if (exchange.signs >= 0)
    used_signs_.at(static_cast<std::size_t>(exchange.from)).insert(exchange.signs);
  if (!copies_state_) return;
  seat.parent = exchange.from;
  seat.begin = slice(exchange.from).end;
  seat.is_copy = true;
  seat.over = seat.begin >= num_steps_;
}

std::vector<int> PopulationRecord::path(int id) const {
  std::vector<int> ids;
  for (; id >= 0; id = slice(id).parent) ids.push_back(id);
  std::reverse(ids.begin(), ids.end());
  return ids;
}

void PopulationRecord::add_point(std::vector<SchedulePoint>& points, std::int64_t at,
                                 const TrialValues& values) const {
  KeyValues all = values_json(space_, values);
  if (points.empty() || points.back().values != all) points.push_back({at, std::move(all)});
}

std::vector<SchedulePoint> PopulationRecord::schedule(int id) const {
  std::vector<SchedulePoint> points;
  for (const int ancestor : path(id))
    add_point(points, slice(ancestor).begin, slice(ancestor).values);
  return points;
}

std::vector<SchedulePoint> PopulationRecord::next_schedule(int member) const {
  const Seat& seat = this->seat(member);
  std::vector<SchedulePoint> points = schedule(seat.parent);
  add_point(points, seat.begin, seat.values);
  return points;
}

std::vector<int> PopulationRecord::own(int member) const {
  std::vector<int> ids;
  for (std::size_t i = 0; i < slices_.size(); ++i)
    if (slices_[i].member == member) ids.push_back(static_cast<int>(i));
  return ids;
}

nlohmann::ordered_json PopulationRecord::attributes(int member,
                                                    const std::vector<std::size_t>& trials) const {
  using Json = nlohmann::ordered_json;
  Json schedule = Json::array(), lineage = Json::array(), returns = Json::array();
  int before = -1;
  for (const int id : own(member)) {
    const Slice& s = slice(id);
    if (schedule.empty() || slice(before).values != s.values)
      schedule.push_back({{"step", s.begin}, {"values", values_json(space_, s.values)}});
    if (s.source >= 0) {
      lineage.push_back({{"step", s.begin},
                         {"from", trials.at(static_cast<std::size_t>(slice(s.source).member))}});
      if (!copies_state_) lineage.back()["values_only"] = true;
    }
    for (const auto& [step, value] : s.returns)
      returns.push_back({{"step", step}, {"value", value}});
    before = id;
  }
  return {{"schedule", schedule}, {"lineage", lineage}, {"returns", returns}};
}

nlohmann::ordered_json PopulationRecord::to_json(const std::vector<SliceResult>& results,
                                                 const std::vector<Exchange>& exchanges) const {
  using Json = nlohmann::ordered_json;
  Json ended = Json::array(), exchanged = Json::array();
  for (const SliceResult& result : results) {
    ended.push_back({{"member", result.member},
                     {"end", result.end},
                     {"returns", returns_json(result.returns)}});
    if (!result.error.empty()) ended.back()["error"] = result.error;
  }
  for (const Exchange& exchange : exchanges) {
    exchanged.push_back({{"member", exchange.member},
                         {"from", exchange.from},
                         {"values", values_json(space_, exchange.values)}});
    if (exchange.signs >= 0) exchanged.back()["signs"] = exchange.signs;
  }
  return {{"ended", ended}, {"exchanged", exchanged}};
}

TrialValues PopulationRecord::values_from(const nlohmann::ordered_json& json) const {
  TrialValues values;
  for (const SearchDimension& d : space_.dimensions) {
    const auto& value = json.at(d.key);
    // mf_pbt's numbers may lie beyond the ends
    if (!d.choices.empty()) {
      const auto is_it = [&](const std::string& choice) {
        return nlohmann::ordered_json::parse(choice) == value;
      };
      if (std::none_of(d.choices.begin(), d.choices.end(), is_it))
        throw ValueError(fmt::format("{} is {}; expected one of its choices.", d.key,
                                     printable(text_of(value))));
    } else if (d.integer) {
      json_number<std::int64_t>(value, d.key, -kMaxCount, kMaxCount);
    } else if (const auto number = json_number<double>(value, d.key); d.log && number <= 0.0) {
      throw ValueError(fmt::format("{} is {}; expected a number above 0.", d.key, number));
    }
    values.push_back(value);
  }
  return values;
}

void PopulationRecord::replay(const nlohmann::ordered_json& line) {
  std::vector<SliceResult> results;
  const int last = size() - 1;
  for (const auto& json : line.at("ended")) {
    SliceResult result{.member = json_number<int>(json.at("member"), "member", 0, last),
                       .end = 0,
                       .error = json.value("error", std::string())};
    result.end =
        json_number<std::int64_t>(json.at("end"), "end", seat(result.member).begin + 1, kMaxCount);
    for (const auto& value : json.at("returns"))
      result.returns.emplace_back(
          json_number<std::int64_t>(value.at(0), "a step of returns", 0, kMaxCount),
          json_number<double>(value.at(1), "a return"));
    results.push_back(std::move(result));
  }
  end(results);
  for (const auto& json : line.at("exchanged"))
    exchange(
        {.member = json_number<int>(json.at("member"), "member", 0, last),
         .from = json_number<int>(json.at("from"), "from", 0, static_cast<int>(slices_.size()) - 1),
         .values = values_from(json.at("values")),
         .signs = json_number<std::int64_t>(json.value("signs", nlohmann::ordered_json(-1)),
                                            "signs", -1)});
}

int best_slice(const PopulationRecord& record, std::int64_t num_steps) {
  int best = -1;
  const auto rank = [&](int id) {
    return std::pair(record.slice(id).end >= num_steps, record.slice(id).score);
  };
  for (int m = 0; m < record.size(); ++m)
    if (const int id = record.last_slice(m);
        id >= 0 && record.slice(id).score != kDead && (best < 0 || rank(id) > rank(best)))
      best = id;
  return best;
}

nlohmann::ordered_json mean_value(const SearchDimension& dimension,
                                  const std::vector<nlohmann::ordered_json>& values) {
  if (!dimension.choices.empty()) {
    const auto count = [&](const nlohmann::ordered_json& value) {
      return std::count(values.begin(), values.end(), value);
    };
    return *std::max_element(values.begin(), values.end(),
                             [&](const auto& a, const auto& b) { return count(a) < count(b); });
  }
  double sum = 0.0;
  auto least = values.front().get<double>(), most = least;
  for (const auto& value : values) {
    const auto number = value.get<double>();
    sum += number;
    least = std::min(least, number);
    most = std::max(most, number);
  }
  const double mean = sum / static_cast<double>(values.size());
  // mf_pbt's numbers may lie beyond the ends, but for whole ones
  if (dimension.integer) return number_json(dimension, mean);
  return std::clamp(rounded_value(mean), least, most);
}

std::vector<SchedulePoint> top_average(const PopulationRecord& record, const SearchSpace& space,
                                       int count) {
  // by begin of the slices: of each member the last one, which counts where it went back in time
  std::map<std::int64_t, std::map<int, int>> by_begin;
  for (std::size_t i = 0; i < record.slices().size(); ++i) {
    const Slice& slice = record.slices()[i];
    if (slice.score != kDead) by_begin[slice.begin][slice.member] = static_cast<int>(i);
  }
  std::vector<SchedulePoint> points;
  for (const auto& [begin, members] : by_begin) {
    std::vector<int> ids;
    for (const auto& [member, id] : members) ids.push_back(id);
    std::stable_sort(ids.begin(), ids.end(),
                     [&](int a, int b) { return record.slice(a).score > record.slice(b).score; });
    ids.resize(std::min(ids.size(), static_cast<std::size_t>(count)));
    KeyValues values = KeyValues::object();
    for (std::size_t d = 0; d < space.dimensions.size(); ++d) {
      std::vector<nlohmann::ordered_json> all;
      for (const int id : ids) all.push_back(record.slice(id).values[d]);
      values[space.dimensions[d].key] = mean_value(space.dimensions[d], all);
    }
    if (points.empty() || points.back().values != values)
      points.push_back({begin, std::move(values)});
  }
  return points;
}

}  // namespace mbrl
