// Runs a fuzz target without libFuzzer: every input of a corpus, then inputs that are made of them by
// the mutations below, the same ones each time.
//
//   test_fuzz TARGET CORPUS_FOLDER NUM_MUTATIONS
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "host/io/output_file.h"

using Target = int(const std::uint8_t*, std::size_t);
#define MBRL_TARGET(name) extern "C" Target fuzz_##name;
#include "tests/fuzz/targets.h"
#undef MBRL_TARGET

namespace {

struct Named {
  const char* name;
  Target* run;
};
constexpr Named kTargets[] = {
#define MBRL_TARGET(name) {#name, &fuzz_##name},
#include "tests/fuzz/targets.h"
#undef MBRL_TARGET
};

using Random =
    std::mt19937_64;  // its numbers are the same everywhere, those of distributions are not

std::size_t below(Random& random, std::size_t limit) { return limit == 0 ? 0 : random() % limit; }

std::string mutated(std::string input, const std::vector<std::string>& corpus, Random& random) {
  constexpr const char* kWords[] = {
      "-1",   "1e308", "1e999",      "null", "[]", "{}",   "18446744073709551615", "nan",
      "\"\"", "0",     "4294967296", "\n",   ",",  "\xff", "\xef\xbb\xbf"};
  for (std::size_t left = 1 + below(random, 4); left > 0; --left) {
    const std::size_t at = below(random, input.size());
    switch (below(random, 7)) {
      case 0:
        if (!input.empty()) input[at] ^= static_cast<char>(1 << below(random, 8));
        break;
      case 1:  // cut at the end, or in the middle
        input.resize(at);
        break;
      case 2:
        input.erase(at, 1 + below(random, 16));
        break;
      case 3: {  // the end of another input
        const std::string& other = corpus[below(random, corpus.size())];
        input = input.substr(0, at) + other.substr(below(random, other.size()));
        break;
      }
      case 4:
        input.insert(at, kWords[below(random, std::size(kWords))]);
        break;
      case 5: {  // a number, or part of one, becomes another
        const std::size_t digit = input.find_first_of("0123456789", at);
        if (digit == input.npos) break;
        const std::size_t end =
            std::min(input.find_first_not_of("0123456789.e-", digit), input.size());
        input.replace(digit, end - digit, kWords[below(random, std::size(kWords))]);
        break;
      }
      default: {  // a line twice
        const std::size_t begin = at == 0 ? 0 : input.rfind('\n', at - 1) + 1;
        const std::size_t end = std::min(input.find('\n', begin), input.size());
        input.insert(begin, input.substr(begin, end - begin) + "\n");
      }
    }
  }
  return input;
}

// what to look at where the target ends the process
std::string current;

void tell_and_abort() {
  std::fprintf(stderr, "this input ended the process (%zu bytes):\n", current.size());
  std::fwrite(current.data(), 1, current.size(), stderr);
  std::fprintf(stderr, "\n");
  if (const std::exception_ptr escaped = std::current_exception()) {
    try {
      std::rethrow_exception(escaped);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "with: %s\n", error.what());
    } catch (...) {
    }
  }
  std::abort();
}

void run(Target* target, const std::string& input) {
  current = input;
  // memory of exactly its size, so that a sanitizer sees what is read beyond it
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  target(bytes.data(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: test_fuzz TARGET CORPUS_FOLDER NUM_MUTATIONS\n");
    return 2;
  }
  const auto named = std::find_if(std::begin(kTargets), std::end(kTargets), [&](const Named& t) {
    return std::strcmp(t.name, argv[1]) == 0;
  });
  if (named == std::end(kTargets)) {
    std::fprintf(stderr, "there is no target %s\n", argv[1]);
    return 2;
  }
  std::set_terminate(tell_and_abort);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[2])) files.push_back(entry);
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "%s holds no inputs\n", argv[2]);
    return 1;
  }
  std::vector<std::string> corpus;
  for (const std::filesystem::path& file : files) corpus.push_back(mbrl::read_file(file));
  run(named->run, "");
  for (const std::string& input : corpus) run(named->run, input);
  Random random(20261127);
  const int num_mutations = std::atoi(argv[3]);
  for (int i = 0; i < num_mutations; ++i)
    run(named->run, mutated(corpus[below(random, corpus.size())], corpus, random));
  std::printf("%s: %zu inputs and %d mutations of them\n", argv[1], corpus.size(), num_mutations);
}
