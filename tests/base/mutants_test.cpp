// Tests of the list of mutants: the places that tools/mutate changes are where the list says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace mbrl {
namespace {

const std::string kRoot = MBRL_SOURCE_DIR;

struct Mutant {
  std::string number, area, file;
  std::map<std::string, std::string> text;  // says, at, from, to
};

/// Runs of blanks as one: where lines are broken does not matter.
std::string words_of(const std::string& text) {
  std::istringstream words(text);
  std::string result;
  for (std::string word; words >> word;) result += (result.empty() ? "" : " ") + word;
  return result;
}

std::string read(const std::string& path) {
  std::ifstream file(kRoot + "/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

struct List {
  std::set<std::string> areas;
  std::vector<Mutant> mutants;
};

List read_list() {
  std::ifstream file(kRoot + "/tests/mutants/mutants.txt");
  List list;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first, rest;
    if (!(words >> first) || line[0] == '#') continue;
    if (line[0] != ' ' && first == "area") {
      words >> rest;
      list.areas.insert(rest);
    } else if (line[0] != ' ' && first == "mutant") {
      Mutant& mutant = list.mutants.emplace_back();
      words >> mutant.number >> mutant.area >> mutant.file;
    } else if (!list.mutants.empty()) {
      std::getline(words, rest);
      list.mutants.back().text[first] += " " + rest;
    }
  }
  return list;
}

TEST(MutantsTest, EachHasOnePlaceInTheTree) {
  const List list = read_list();
  EXPECT_GE(list.mutants.size(), 100u);
  std::set<std::string> numbers;
  for (const Mutant& mutant : list.mutants) {
    SCOPED_TRACE("mutant " + mutant.number + " of " + mutant.file);
    EXPECT_TRUE(numbers.insert(mutant.number).second) << "the number is given twice";
    EXPECT_THAT(list.areas, testing::Contains(mutant.area));
    const auto of = [&](const std::string& key) {
      const auto found = mutant.text.find(key);
      return found == mutant.text.end() ? "" : words_of(found->second);
    };
    EXPECT_NE(of("says"), "");
    EXPECT_NE(of("to"), "");
    const std::string text = words_of(read(mutant.file)), at = of("at"), from = of("from");
    ASSERT_NE(from, "");
    if (at.empty()) {
      EXPECT_EQ(count(text, from), 1) << from;
    } else {
      ASSERT_EQ(count(text, at), 1) << at;
      EXPECT_GE(count(text.substr(text.find(at) + at.size()), from), 1) << from;
    }
  }
}

}  // namespace
}  // namespace mbrl
