module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    # Write the configuration of team
    format("echo %s | base64 -d > /opt/registry/config-team.yml",
      base64encode(file("${path.root}/../../registry/config-team.yml"))
    ),
    # Write the configuration of private
    format("echo %s | base64 -d > /opt/registry/config-private.yml",
      base64encode(file("${path.root}/../../registry/config-private.yml"))
    ),
    "( crontab -l 2>/dev/null; echo '0 3 * * 0 /usr/bin/docker exec registry-team registry garbage-collect --dry-run -m /etc/docker/registry/config.yml >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '25 3 * * 0 /usr/bin/docker exec registry-private registry garbage-collect --delete-untagged=false /etc/docker/registry/config.yml >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '30 3 * * 0 /usr/bin/docker exec registry-team report -m garbage-collect' ) | crontab -",
    "echo docker exec registry-private registry garbage-collect -m /etc/docker/registry/config.yml",
  ]
}
