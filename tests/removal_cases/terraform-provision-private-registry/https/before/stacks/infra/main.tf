module "registry-template" {
  source        = "../../modules/template"
  template_name = "registry"

  provision_cmds = [
    "apt-get update",
    # Data
    "mkdir -p /opt/registry/data/ghcr /opt/registry/data/quay /opt/registry/data/private",
    # Compose
    format("echo %s | base64 -d > /opt/registry/docker-compose.yml",
      base64encode(file("${path.root}/../../modules/registry/docker-compose.yml"))
    ),
    # nginx
    format("echo %s | base64 -d > /opt/registry/nginx.conf",
      base64encode(file("${path.root}/../../modules/registry/nginx.conf"))
    ),
    # GHCR
    format("echo %s | base64 -d > /opt/registry/config-ghcr.yml",
      base64encode(templatefile("../../modules/registry/config-proxy.yaml.tpl", { name = "ghcr" }))
    ),
    # Quay
    format("echo %s | base64 -d > /opt/registry/config-quay.yml",
      base64encode(templatefile("../../modules/registry/config-proxy.yaml.tpl", { name = "quay" }))
    ),
    # Write private R/W registry config (no proxy = accepts pushes)
    format("echo %s | base64 -d > /opt/registry/config-private.yml",
      base64encode(file("${path.root}/../../modules/registry/config-private.yml"))
    ),
    # Write the private registry's certificate
    format("echo %s | base64 -d > /opt/registry/private.crt",
      base64encode(file("${path.root}/../../tls/registry.crt"))
    ),
    # Write the certificate's key
    format("echo %s | base64 -d > /opt/registry/private.key && chmod 600 /opt/registry/private.key",
      base64encode(file("${path.root}/../../tls/registry.key"))
    ),
    # Write the registry garbage collector
    format("echo %s | base64 -d > /opt/registry/collect-garbage.py",
      base64encode(file("${path.root}/../../modules/registry/collect-garbage.py"))
    ),
    "( crontab -l 2>/dev/null; echo '0 3 * * 0 /usr/bin/docker exec registry-ghcr registry garbage-collect -m /etc/docker/registry/config.yml >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '5 3 * * 0 /usr/bin/docker exec registry-quay registry garbage-collect -m /etc/docker/registry/config.yml >> /var/log/registry-gc.log 2>&1' ) | crontab -",
    "( crontab -l 2>/dev/null; echo '10 3 * * 0 /usr/bin/python3 /opt/registry/collect-garbage.py --container registry-private --data /opt/registry/data/private --nginx registry-nginx --cache-tag buildcache --max-size 100GiB >> /var/log/registry-gc.log 2>&1' ) | crontab -",
  ]
}

module "registry-vm" {
  source        = "../../modules/vm"
  template_name = "registry"
  ipconfig0     = "ip=10.0.20.10/24,gw=10.0.20.1"
  # Ports:
  # 5010 -> nginx -> registry-ghcr (ghcr.io proxy)
  # 5020 -> nginx -> registry-quay (quay.io proxy)
  # 5050 -> nginx -> registry-private (R/W registry for CI build cache)
}
