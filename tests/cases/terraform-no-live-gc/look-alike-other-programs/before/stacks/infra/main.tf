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
    "( crontab -l 2>/dev/null; echo '0 3 * * 0 /opt/registry/garbage-collect.sh registry-ghcr' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '5 3 * * 0 docker exec registry-quay gitlab-ctl registry-garbage-collect' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '10 3 * * 0 docker exec gitea gitea garbage-collect' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '15 3 * * 0 echo docker exec registry-ghcr registry garbage-collect -m /c.yml' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '20 3 * * 0 docker exec other registry garbage-collect /c.yml' ) | crontab -",
    "( crontab -l; echo '25 3 * * 0 docker exec ${local.name} registry garbage-collect /c.yml' ) | crontab -",
  ]
}
