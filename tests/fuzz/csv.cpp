// Fuzz target for tables (host/io/{csv,curves}.h): the input is a metrics.csv or an episodes.csv. What
// is read is averaged and drawn as `plot` and `compare` do it, and the table is resumed.
#include "host/io/csv.h"

#include "host/io/curves.h"
#include "host/io/svg_plot.h"
#include "tests/fuzz/harness.h"

using namespace mbrl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  const auto file = folder.write("metrics.csv", fuzz::text_of(data, size));
  for (const char* column : {"eval_return_mean", "return", "env_steps"})
    fuzz::read_or_refuse([&] {
      const Curve curve = read_curve(file, column);
      const Curve shares = binned(curve, 20);
      mean_over(curve, common_range({curve, shares}));
      mean_over(curve, common_range({curve}));
      last_value(curve, 1000.0);
      svg_plot({.title = "a",
                .x_label = "b",
                .y_label = "c",
                .series = {series_over_runs("d", curve.x, {curve.y, curve.y}, Band::kStd)}});
    });
  fuzz::read_or_refuse([&] {
    CsvWriter(file, {"env_steps", "eval_return_mean", "return"}, /*resume_env_steps=*/2000)
        .append({2001, 1, 2});
    const Curve curve = read_curve(file, "return");
    fuzz::require(curve.x.back() == 2001 && curve.y.back() == 2, "a row that was written is read");
  });
  return 0;
}
