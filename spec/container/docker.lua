-- What only Docker's engine does.

return function(docker, check)
  check("HEALTHCHECK", function()
    local FORMAT = "{{.State.Health.Status}}"
    local id = docker:start([[--health-cmd 'test -e /tmp/well' --health-interval 0.5s --health-retries 2 \
      box /reaper-lua -- /bin/sh -c 'mkdir -p /tmp; touch /tmp/well; exec /helper hold']])
    docker:await(id, FORMAT, "healthy")
    docker:must(("exec %s rm /tmp/well"):format(id))
    docker:await(id, FORMAT, "unhealthy")
    docker:await_no_zombie(id)
  end)
end
