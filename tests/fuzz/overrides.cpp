// Fuzz target for key=value on the command line (host/config/overrides.h): each line of the input is
// one argument.
#include "host/config/overrides.h"

#include "tests/fuzz/checked_config.h"
#include "tests/fuzz/harness.h"

using namespace mbrl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view lines = fuzz::text_of(data, size);
  fuzz::read_or_refuse([&] {
    LayeredConfig layered;
    layered.layers.push_back({"defaults", layered.config});
    while (!lines.empty()) {
      const std::size_t end = std::min(lines.find('\n'), lines.size());
      const Field& field = apply_override(layered.config, lines.substr(0, end));
      layered.set_by[field.path()] = layered.layers.size();
      lines.remove_prefix(std::min(end + 1, lines.size()));
    }
    fuzz::check_layers(layered);
  });
  return 0;
}
