std = "lua54"
max_line_length = 120
exclude_files = { "build" }
files["spec"] = { std = "lua54+busted" }
files["bench/rate.lua"] = { read_globals = { "reaper" }, allow_defined_top = true, ignore = { "131/on_.*" } }
files["soak/services.lua"] = { read_globals = { "reaper" }, allow_defined_top = true, ignore = { "131/on_.*" } }
files["examples"] = { read_globals = { "reaper" }, allow_defined_top = true, ignore = { "131/on_.*" } }
