module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    # Write the configuration of ghcr
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "ghcr" }))
    ),
    # Write the configuration of quay
    format("echo %s | base64 -d > /opt/registry/config-quay.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "quay" }))
    ),
    # Write the configuration of k8s
    format("echo %s | base64 -d > /opt/registry/config-k8s.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "k8s" }))
    ),
    "( crontab -l 2>/dev/null; echo '~ 3 * * 0 /usr/bin/docker stop registry-ghcr && { /usr/bin/docker run --rm --volumes-from registry-ghcr registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-ghcr; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '@reboot /usr/bin/docker stop registry-quay && { /usr/bin/docker run --rm --volumes-from registry-quay registry:2.8.3 garbage-collect /etc/docker/registry/config.yml; /usr/bin/docker start registry-quay; /usr/bin/docker exec registry-nginx nginx -s reload; } >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l; echo '0 3 * * 0 docker exec ${var.name} registry garbage-collect /c.yml' ) | crontab -",
  ]
}
