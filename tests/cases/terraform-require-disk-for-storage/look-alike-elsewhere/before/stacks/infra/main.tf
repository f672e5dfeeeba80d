module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    # Write the configuration of hub
    format("echo %s | base64 -d > /opt/registry/config-hub.yml",
      base64encode(file("${path.root}/../../registry/config-hub.yml"))
    ),
    # Write the configuration of team
    format("echo %s | base64 -d > /opt/registry/config-team.yml",
      base64encode(file("${path.root}/../../registry/config-team.yml"))
    ),
  ]
}

module "registry-vm" {
  source        = "../../modules/vm"
  template_name = "registry"
  vm_disk_size  = "64G"
  ipconfig0     = "ip=10.0.20.10/24,gw=10.0.20.1"
}
