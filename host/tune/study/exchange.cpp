#include "host/tune/study/exchange.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "host/config/search_methods.h"

namespace mbrl {
namespace {

constexpr std::size_t kTries = 10;
constexpr std::uint32_t kSourceRow = 1u << 31;  // beyond the rows of values
constexpr std::size_t kMostSigns = 62;          // dimensions whose signs fit a number

// the best first; of equals the one that was there first
std::vector<int> ranked(std::vector<int> ids, const PopulationRecord& record) {
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int a, int b) { return record.slice(a).score > record.slice(b).score; });
  return ids;
}

ExchangeDraws draws_of(const ExchangeContext& context, const Slice& slice) {
  return {{static_cast<std::uint32_t>(context.config.seed), purpose::kExchange,
           static_cast<std::uint32_t>(slice.member)},
          static_cast<std::uint64_t>(slice.number)};
}

ChangeRule rule_of(const Config& config) {
  return {.in_unit = config.pbt.explore == "unit", .resample = config.pbt.resample};
}

// the source of a slice's member among slices that are compared; -1: it stays as it is
int source_of(const ExchangeContext& context, int id, const std::vector<int>& compared) {
  const std::vector<int> order = ranked(compared, context.record);
  const auto alive = std::count_if(order.begin(), order.end(),
                                   [&](int i) { return context.record.slice(i).score != kDead; });
  const Truncation counts =
      truncation(static_cast<int>(order.size()), context.config.pbt.truncation);
  const auto rank = std::find(order.begin(), order.end(), id) - order.begin();
  const bool dead = context.record.slice(id).score == kDead;
  const auto sources = std::min<std::ptrdiff_t>(std::max(counts.sources, 1), alive);
  if (sources == 0 || (rank < counts.stay && !dead) || order.size() < 2) return -1;
  const ExchangeDraws draws = draws_of(context, context.record.slice(id));
  const std::uint32_t bits = draws.key.bits(draws.number, kSourceRow).x;
  const int from = order[uniform_index(bits, static_cast<std::uint32_t>(sources))];
  return from == id ? -1 : from;
}

Exchange copy_of(const ExchangeContext& context, int id, int from) {
  const Slice& slice = context.record.slice(id);
  return {.member = slice.member,
          .from = from,
          .values = changed_values(context.config.tune.space, context.record.slice(from).values,
                                   rule_of(context.config), draws_of(context, slice),
                                   context.go_together)};
}

// of each member the last slice that ended at the same step
std::vector<int> at_step_of(const PopulationRecord& record, int id) {
  const std::int64_t step = record.slice(id).end;
  std::vector<int> last(static_cast<std::size_t>(record.size()), -1);
  for (std::size_t i = 0; i < record.slices().size(); ++i)
    if (record.slices()[i].end == step)
      last[static_cast<std::size_t>(record.slices()[i].member)] = static_cast<int>(i);
  std::erase(last, -1);
  return last;
}

// of each member the last slice, whatever its step; not of those at the end of their training
std::vector<int> latest(const ExchangeContext& context) {
  std::vector<int> last;
  for (int m = 0; m < context.record.size(); ++m)
    if (const int id = context.record.last_slice(m);
        id >= 0 && context.record.slice(id).end < context.num_steps)
      last.push_back(id);
  return last;
}

// Changes of this slice's values that none of its copies has had, those of the same time among them:
// one for each try, as far as there are so many.
std::vector<std::int64_t> unused_signs(const PopulationRecord& record, int id,
                                       const std::vector<Exchange>& now, std::size_t size,
                                       Philox4 bits) {
  const std::int64_t count = std::int64_t{1} << std::min(size, kMostSigns);
  std::set<std::int64_t> used = record.used_signs(id);
  for (const Exchange& exchange : now)
    if (exchange.from == id && exchange.signs >= 0) used.insert(exchange.signs);
  std::vector<std::int64_t> unused;
  std::int64_t signs =
      static_cast<std::int64_t>(std::uint64_t{bits.x} << 32 | bits.y) & (count - 1);
  while (unused.size() < kTries && static_cast<std::int64_t>(used.size()) < count) {
    if (used.insert(signs).second) unused.push_back(signs);
    signs = (signs + 1) & (count - 1);
  }
  return unused;
}

// One try of a change: a row of draws for whether all is drawn anew, then one for each value. Without
// signs a coin for each.
TrialValues tried_values(const SearchSpace& space, const TrialValues& values,
                         const ChangeRule& rule, const ExchangeDraws& draws, std::size_t attempt,
                         std::optional<std::int64_t> signs) {
  const auto size = static_cast<std::uint32_t>(space.dimensions.size());
  const std::uint32_t row = static_cast<std::uint32_t>(attempt) * (size + 1);
  const bool resample = uniform01(draws.key.bits(draws.number, row).x) < rule.resample;
  TrialValues changed;
  for (std::uint32_t i = 0; i < size; ++i) {
    const SearchDimension& d = space.dimensions[i];
    const Philox4 bits = draws.key.bits(draws.number, row + 1 + i);
    const bool up =
        signs ? (*signs >> std::min<std::size_t>(i, kMostSigns) & 1) != 0 : bits.x >> 31 != 0;
    changed.push_back(resample ? drawn_value(d, bits.y) : changed_value(d, values[i], up, rule));
  }
  return changed;
}

// back to an elite, if the member has fallen far below the worst of them
std::optional<Exchange> backtrack(const ExchangeContext& context, int id,
                                  const std::vector<Exchange>& now) {
  const PopulationRecord& record = context.record;
  const PbtConfig& pbt = context.config.pbt;
  const Slice& slice = record.slice(id);
  if ((slice.number + 1) % pbt.backtrack_interval != 0) return std::nullopt;
  const std::vector<int> archive = elites(record, pbt.elites, context.num_steps);
  if (archive.empty()) return std::nullopt;
  const double worst = record.slice(archive.back()).score;
  if (slice.score >= worst - pbt.tolerance * std::abs(worst)) return std::nullopt;
  const ExchangeDraws draws = draws_of(context, slice);
  const Philox4 bits = draws.key.bits(draws.number, kSourceRow);
  const int from = archive[uniform_index(bits.x, static_cast<std::uint32_t>(archive.size()))];
  const SearchSpace& space = context.config.tune.space;
  const std::vector<std::int64_t> signs = unused_signs(record, from, now, space.dimensions.size(),
                                                       draws.key.bits(draws.number, kSourceRow, 1));
  const SignedChange change = signed_change(
      space, record.slice(from).values, rule_of(context.config), draws, context.go_together, signs);
  return Exchange{
      .member = slice.member, .from = from, .values = change.values, .signs = change.signs};
}

// what one sub-population does: its last quarter copies its first and explores, the quarter before
// that takes in who is better elsewhere
void evolve(const ExchangeContext& context, const std::vector<int>& own,
            const std::vector<int>& others, std::vector<Exchange>& all) {
  const PopulationRecord& record = context.record;
  const std::vector<int>& frequencies = context.config.pbt.frequencies;
  const int per = record.size() / static_cast<int>(frequencies.size());
  const auto frequency = [&](int id) {
    return frequencies[static_cast<std::size_t>(record.slice(id).member / per)];
  };
  const ChangeRule rule{
      .in_unit = false, .down = 0.8, .up = 1.25, .within_space = false, .resample = 0.0};
  const std::size_t quarter = own.size() / 4;
  std::size_t migrant = 0;
  for (std::size_t k = 0; k < quarter; ++k) {
    const int receiver = own[2 * quarter + k];
    if (migrant == others.size()) break;
    const int donor = others[migrant];
    if (record.slice(donor).score <= record.slice(receiver).score) continue;
    ++migrant;
    const int values = frequency(donor) > frequency(receiver) ? donor : own.front();
    all.push_back({.member = record.slice(receiver).member,
                   .from = donor,
                   .values = record.slice(values).values});
  }
  for (std::size_t k = 0; k < quarter; ++k) {
    const Slice& slice = record.slice(own[3 * quarter + k]);
    if (record.slice(own[k]).score == kDead) break;
    all.push_back({.member = slice.member,
                   .from = own[k],
                   .values = changed_values(context.config.tune.space, record.slice(own[k]).values,
                                            rule, draws_of(context, slice), context.go_together)});
  }
}

std::vector<Exchange> evolve_all(const ExchangeContext& context, const std::vector<int>& ended) {
  const PopulationRecord& record = context.record;
  const std::vector<int>& frequencies = context.config.pbt.frequencies;
  const int per = record.size() / static_cast<int>(frequencies.size());
  const int round = record.slice(ended.front()).number + 1;
  const auto is_in = [&](int id, std::size_t p) {
    return record.slice(id).member / per == static_cast<int>(p);
  };
  const std::vector<int> order = ranked(latest(context), record);
  std::vector<Exchange> all;
  for (std::size_t p = 0; p < frequencies.size(); ++p) {
    std::vector<int> own, others;
    for (const int id : order) {
      if (is_in(id, p))
        own.push_back(id);
      else if (record.slice(id).score != kDead)
        others.push_back(id);
    }
    if (round % frequencies[p] == 0) evolve(context, own, others, all);
    // whoever has diverged does not wait for that
    const int best = record.slice(own.front()).score != kDead ? own.front() : order.front();
    for (const int id : own) {
      const int member = record.slice(id).member;
      const bool helped = std::any_of(all.begin(), all.end(), [&](const Exchange& exchange) {
        return exchange.member == member;
      });
      if (record.slice(id).score == kDead && !helped && record.slice(best).score != kDead)
        all.push_back({.member = member, .from = best, .values = record.slice(best).values});
    }
  }
  return all;
}

}  // namespace

Truncation truncation(int n, double share) {
  // 0.2 x 35 is a little above 7
  const auto up = [](double x) { return static_cast<int>(std::ceil(x - 1e-9)); };
  return {up((1.0 - share) * (n - 1)), up(share * (n - 1))};
}

nlohmann::ordered_json changed_value(const SearchDimension& d, const nlohmann::ordered_json& value,
                                     bool up, const ChangeRule& rule) {
  if (!d.choices.empty()) {
    const auto at = std::find(d.choices.begin(), d.choices.end(), value.dump());
    const auto next =
        up ? at + (d.choices.end() - at > 1 ? 1 : 0) : at - (at != d.choices.begin() ? 1 : 0);
    return nlohmann::ordered_json::parse(next == d.choices.end() ? d.choices.back() : *next);
  }
  const double factor = up ? rule.up : rule.down;
  if (rule.in_unit) return value_at(d, std::clamp(place_of(d, value) * factor, 0.0, 1.0));
  const auto now = value.get<double>();
  double then = now * factor;
  if (d.integer && std::round(then) == now) then = now + (up ? 1.0 : -1.0);
  if (!rule.within_space && !d.integer) return rounded_value(then);
  return number_json(d, then);
}

TrialValues changed_values(const SearchSpace& space, const TrialValues& values,
                           const ChangeRule& rule, const ExchangeDraws& draws,
                           const std::function<bool(const TrialValues&)>& go_together) {
  for (std::size_t attempt = 0; attempt < kTries; ++attempt)
    if (TrialValues tried = tried_values(space, values, rule, draws, attempt, {});
        go_together(tried))
      return tried;
  return values;
}

SignedChange signed_change(const SearchSpace& space, const TrialValues& values,
                           const ChangeRule& rule, const ExchangeDraws& draws,
                           const std::function<bool(const TrialValues&)>& go_together,
                           const std::vector<std::int64_t>& signs) {
  ChangeRule anew = rule;
  anew.resample = 1.0;
  for (std::size_t attempt = 0; attempt < kTries; ++attempt) {
    const bool has_signs = attempt < signs.size();
    const std::int64_t own = has_signs ? signs[attempt] : -1;
    TrialValues tried = tried_values(space, values, has_signs ? rule : anew, draws, attempt,
                                     has_signs ? std::optional(own) : std::nullopt);
    if (go_together(tried)) return {std::move(tried), own};
  }
  return {values};
}

std::vector<int> elites(const PopulationRecord& record, double share, std::int64_t num_steps) {
  std::vector<int> best(static_cast<std::size_t>(record.size()), -1);
  for (std::size_t i = 0; i < record.slices().size(); ++i) {
    const Slice& slice = record.slices()[i];
    int& known = best[static_cast<std::size_t>(slice.member)];
    if (slice.end < num_steps && slice.score != kDead &&
        (known < 0 || slice.score > record.slice(known).score))
      known = static_cast<int>(i);
  }
  std::erase(best, -1);
  best = ranked(best, record);
  const auto size =
      std::max<std::size_t>(static_cast<std::size_t>(std::lround(share * record.size())), 1);
  best.resize(std::min(best.size(), size));
  return best;
}

std::vector<Exchange> exchanges(const ExchangeContext& context, const std::vector<int>& ended) {
  const PopulationRecord& record = context.record;
  const SearchMethod method = search_method(context.config.tune.method);
  const auto goes_on = [&](int id) { return record.slice(id).end < context.num_steps; };
  if (method.has_parts) {
    if (ended.empty() || !goes_on(ended.front())) return {};
    return evolve_all(context, ended);
  }
  std::vector<Exchange> all;
  for (const int id : ended) {
    if (!goes_on(id)) continue;
    if (method.looks_back) {
      if (auto back = backtrack(context, id, all)) {
        all.push_back(std::move(*back));
        continue;
      }
    }
    const int from =
        source_of(context, id, method.looks_back ? latest(context) : at_step_of(record, id));
    if (from >= 0) all.push_back(copy_of(context, id, from));
  }
  return all;
}

}  // namespace mbrl
