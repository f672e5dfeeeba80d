module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    "mkdir -p /opt/registry/data/ghcr /opt/registry/data/quay /opt/registry/data/cache /opt/registry/data/backup /opt/registry/data/old",
    "mkdir -p /opt/registry/log /srv/x",
    # Write the configuration of ghcr
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "ghcr" }))
    ),
    # Write the configuration of quay
    format("echo %s | base64 -d > /opt/registry/config-quay.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "quay" }))
    ),
    # Write the configuration of standby
    format("echo %s | base64 -d > /opt/registry/config-standby.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "standby" }))
    ),
    format("echo %s | base64 -d > /opt/registry/config-promtail.yml",
      base64encode(file("${path.root}/../../registry/promtail.yml"))
    ),
    "docker run -d --name registry-standby -v /opt/registry/config-standby.yml:/etc/docker/registry/config.yml registry:2",
    "( crontab -l 2>/dev/null; echo '0 3 * * 0 /usr/bin/docker stop registry-standby && { /usr/bin/docker run --rm --volumes-from registry-standby registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-standby; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '5 3 * * 0 /usr/bin/docker stop registry_registry-quay_1 && { /usr/bin/docker run --rm --volumes-from registry_registry-quay_1 registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry_registry-quay_1; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '30 4 * * * rsync -a /opt/registry/data/ghcr/ /opt/registry/data/backup/' ) | crontab -",
    format("echo %s | base64 -d > /opt/registry/clean.sh",
      base64encode(file("${path.root}/../../registry/clean.sh"))
    ),
    "( crontab -l; echo '25 3 * * 0 docker exec ${var.name} registry garbage-collect /c.yml' ) | crontab -",
  ]
}
