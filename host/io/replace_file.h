// A file that others see as it was or as it is, never half of it.
#pragma once

#include <filesystem>
#include <functional>

namespace mbrl {

/// Replaces `path` in one step by what `write` writes to the file that it is given. Where a symbolic
/// link stands, the file it means; devices and pipes are written to as they are.
///
/// Errors   DataError; those of `write`, what it has begun is gone then.
void replace_file(const std::filesystem::path& path,
                  const std::function<void(const std::filesystem::path&)>& write);

}  // namespace mbrl
