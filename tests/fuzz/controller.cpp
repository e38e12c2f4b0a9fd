// Fuzz target for controller files (host/tune/autombpo/controller.h): a byte chooses the stack, the rest
// is the file. One that is accepted decides.
#include "host/tune/autombpo/controller.h"

#include "tests/fuzz/harness.h"

using namespace mbrl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  static ThreadPool pool(1);
  static Stream stream(pool);
  if (size == 0) return 0;
  Config config;
  config.controller.hidden_size = 2;
  config.controller.features = {"samples", "values"};
  if (data[0] % 2 == 1) config.controller.stack = "staged";
  const auto file = folder.write("c.safetensors", fuzz::text_of(data + 1, size - 1));
  fuzz::read_or_refuse([&] {
    ControllerStack controller(stream, config, 0);
    controller.load(file);
    for (int group = 0; group < controller.size(); ++group) {
      const int inputs = hyper_state_size(controller.visible(group), config);
      controller.decide(stream, group, std::vector<float>(static_cast<std::size_t>(inputs), 0.5f),
                        {1, purpose::kHyperAction, 0}, 0);
    }
  });
  return 0;
}
