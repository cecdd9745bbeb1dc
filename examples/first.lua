-- Says how each process ended, and with which code the container ends.
function on_start(pid)
  print("COMMAND is process " .. pid)
end
function on_reap(pid, status, _, info)
  print(pid, info.comm, info.main and "main" or "orphan", status)
end
function on_exit(code)
  print("nothing is left, exit code " .. code)
end
