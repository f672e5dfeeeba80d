module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    "mkdir -p /opt/registry/data/ghcr",
    "mkdir -p ${local.data}/quay",
    "for name in a b; do mkdir -p /opt/registry/data/$name; done",
    # Write the configuration of ghcr
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "ghcr" }))
    ),
    format("echo %s | base64 -d > ${local.dir}/config-quay.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "quay" }))
    ),
    "install -m 600 /tmp/team.yml /opt/registry/config-team.yml",
  ]
}
