// The page of `mbrl_gpu report`: what runs were made with, what they have come to, and why.
#pragma once

#include <string>
#include <vector>

namespace mbrl {

/// The HTML of runs, one argument each: [NAME=]PATH of a run, of a folder of runs, of a table or of an
/// AutoMBPO run. What is missing or damaged is said on the page; runs that go on are shown as far as
/// they are.
///
/// Errors   DataError if a path holds no run and no table.
std::string report_page(const std::vector<std::string>& arguments);

}  // namespace mbrl
