#!/bin/sh
# COMMAND that waits for a service by itself, in a container whose script says { main = true, after = {} }; or a program that
# is started later, by "docker exec". The service "db" may be started again meanwhile, and so may the script.
#   reaper-lua services.lua -- examples/entrypoint.sh app
reaperctl wait db --for ready --timeout 60 || exit
exec "$@"
