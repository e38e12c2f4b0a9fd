// Names of processes that tell, on any machine, which one is meant and, on its own, whether it lives.
#pragma once

#include <optional>
#include <string>

namespace mbrl {

/// This process: host name, start of the machine, space of process numbers, number, start. Two
/// processes never share one, whatever numbers come again.
std::string own_process_name();

/// Whether the process of a name has ended; nothing if it is another machine's (or another
/// container's), which only its own signs of life can tell. A name that is none has ended.
std::optional<bool> process_has_ended(const std::string& name);

/// "process 4711 on node7".
std::string process_text(const std::string& name);

}  // namespace mbrl
