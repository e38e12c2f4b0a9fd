// Every column of every table and every TensorBoard tag that the program writes: what it is, by
// which formula, in which unit. docs/metrics.md is made of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mbrl {

/// When the value of a tag is written.
enum class Written {
  kLog,         // every log.interval env steps
  kEpisode,     // at the end of each training episode
  kFit,         // after each fit of the model
  kEvaluation,  // after each evaluation
  kOnce         // when the run starts or ends
};

/// One column, one tag, or both where they hold the same. `<name>` at the end of a column or a tag
/// stands for one word of many: "schedule/<key>".
struct MetricEntry {
  const char* table;   // "metrics.csv"; "" for a tag alone
  const char* column;  // ""
  const char* tag;     // "" where TensorBoard has none
  Written written;     // the tag
  const char* unit;    // "" for a number without one
  const char* text;    // meaning and formula, without a full stop
};

/// All of them: table by table in the order of the columns, then the tags alone.
const std::vector<MetricEntry>& metric_list();

/// nullptr if there is none.
const MetricEntry* find_column(std::string_view table, std::string_view column);
const MetricEntry* find_tag(std::string_view tag);

/// The list for reading in a terminal.
std::string metrics_text();

/// The same as the Markdown of docs/metrics.md, tables alone.
std::string metrics_markdown();

}  // namespace mbrl
