// mbrl_gpu report: runs as one HTML file that stands alone.
#include <fmt/format.h>

#include <memory>

#include "base/printable.h"
#include "host/cli/cli.h"
#include "host/cli/report_page.h"
#include "host/io/console.h"
#include "host/io/output_file.h"

namespace mbrl {

void add_report(CLI::App& program) {
  struct Options {
    std::vector<std::string> runs;
    std::string out = "report.html";
  };
  const auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "report", "Show runs as one HTML file: config, curves, model, time, machine, episodes");
  command
      ->add_option("runs", o->runs,
                   "[NAME=]PATH: a run, a folder of runs over seeds, an AutoMBPO run; several are "
                   "drawn beside each other")
      ->required();
  command->add_option("-o,--out", o->out, "the file to write")->capture_default_str();
  command->callback([o] {
    write_file_atomically(o->out, report_page(o->runs));
    print_to(stdout, printable(o->out) + "\n");
  });
}

}  // namespace mbrl
