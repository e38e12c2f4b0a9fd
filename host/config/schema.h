// The JSON schema of config files, for editors and validators.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace mbrl {

/// JSON Schema, draft 2020-12: types, ranges, choices, defaults and descriptions of all keys. What
/// must hold between keys is not in it.
nlohmann::ordered_json config_schema();

}  // namespace mbrl
