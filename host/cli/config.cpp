// mbrl_gpu config: what can be set, and what a config resolves to.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "host/algo/keys_read.h"
#include "host/algo/resolve_config.h"
#include "host/cli/cli.h"
#include "host/config/print.h"
#include "host/config/schema.h"
#include "host/io/metric_list.h"

namespace mbrl {

void add_config(CLI::App& program) {
  CLI::App* config = program.add_subcommand("config", "Show keys, resolved configs and the schema");
  config->require_subcommand(1);

  struct Options {
    std::string section;
    bool markdown = false;
    std::string name;
    std::vector<std::string> overrides;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();

  CLI::App* keys = config->add_subcommand("keys", "List all keys with default, range and meaning");
  keys->add_option("section", options->section, "only this section, such as model");
  keys->add_flag("--markdown", options->markdown, "as the table in configs/README.md");
  keys->callback([options] {
    fmt::print("{}", options->markdown ? keys_markdown() : keys_text(options->section));
  });

  CLI::App* metrics = config->add_subcommand(
      "metrics", "List all columns of tables and tags of TensorBoard with formula and unit");
  metrics->add_flag("--markdown", options->markdown, "as the tables in docs/metrics.md");
  metrics->callback(
      [options] { fmt::print("{}", options->markdown ? metrics_markdown() : metrics_text()); });

  CLI::App* show =
      config->add_subcommand("show", "Resolve a config and mark what differs from the defaults");
  show->add_option("config", options->name, "a file, or a shipped config such as hopper")
      ->required();
  show->add_option("overrides", options->overrides, "key=value ...");
  show->add_flag("--json", options->json, "as a complete config file");
  show->callback([options] {
    const Config resolved =
        resolve_config(options->name, options->overrides, UnreadKeys::kRefuseButTune);
    // what a search reads is shown where there is one
    const KeyFilter shown = [&](const Field& field) {
      return is_read(resolved, field) ||
             (is_of_search(field) && !resolved.tune.space.dimensions.empty());
    };
    if (options->json) {
      fmt::print("{}", config_json_text(resolved, shown));
    } else {
      fmt::print("{}\nhash {}\n", config_table(resolved, shown), config_hash(resolved));
    }
  });

  CLI::App* schema = config->add_subcommand("schema", "Print the JSON schema of config files");
  schema->callback([] { fmt::print("{}\n", config_schema().dump(2)); });
}

}  // namespace mbrl
