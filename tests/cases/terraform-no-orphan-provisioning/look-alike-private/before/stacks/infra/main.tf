module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    "mkdir -p /opt/registry/data/ghcr /opt/registry/data/quay /opt/registry/data/private",
    # Write the configuration of ghcr
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "ghcr" }))
    ),
    # Write the configuration of quay
    format("echo %s | base64 -d > /opt/registry/config-quay.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "quay" }))
    ),
    # Write the configuration of private
    format("echo %s | base64 -d > /opt/registry/config-private.yml",
      base64encode(file("${path.root}/../../registry/config-private.yml"))
    ),
    "( crontab -l 2>/dev/null; echo '25 3 * * 0 /usr/bin/docker stop registry-private && { /usr/bin/docker run --rm --volumes-from registry-private registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-private; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
  ]
}
