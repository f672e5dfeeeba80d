module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    # Write nginx.conf
    format("echo %s | base64 -d > /opt/registry/nginx.conf",
      base64encode(file("${path.root}/../../registry/nginx.conf"))
    ),
    # Write the configuration of ghcr
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "ghcr" }))
    ),
    # Write the configuration of quay
    format("echo %s | base64 -d > /opt/registry/config-quay.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "quay" }))
    ),
  ]
}

module "registry-vm" {
  source        = "../../modules/vm"
  template_name = "registry"
  vm_disk_size  = "64G"
  ipconfig0     = "ip=10.0.20.10/24,gw=10.0.20.1"

  # All ports go through nginx:
  # 5010 -> nginx -> registry-ghcr (ghcr.io proxy)
  # 5020 -> nginx -> registry-quay (quay.io proxy)
  # 5050 -> nginx -> registry-private
  # 9000 -> nginx status
  # 8080 -> registry-ui
}
