module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    # Write docker-compose.yml
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../registry/docker-compose.yml"))
    ),
    "mkdir -p /opt/registry/data/ghcr /opt/registry/data/quay",
    "mkdir -p /opt/registry/data/gcr && systemctl restart docker",
    # Write the configuration of ghcr
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "ghcr" }))
    ),
    # Write the configuration of quay
    format("echo %s | base64 -d > /opt/registry/config-quay.yml",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "quay" }))
    ),
    format("echo %s | base64 -d > /opt/registry/config-gcr.yml && systemctl restart docker",
      base64encode(templatefile("../../registry/config-proxy.yaml.tpl", { name = "gcr" }))
    ),
    "( crontab -l; echo '5 3 * * 0 docker stop registry-gcr; docker run --volumes-from registry-gcr registry:2 garbage-collect /c.yml; docker start registry-gcr'; echo '0 2 * * * /opt/clean.sh' ) | crontab -",
  ]
}
